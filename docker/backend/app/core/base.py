"""Bases of the models: what declares no schema is in the one of its database."""

from sqlalchemy import MetaData
from sqlalchemy.orm import declarative_base

AuthBase = declarative_base(metadata=MetaData(schema="auth"))
AppBase = declarative_base(metadata=MetaData(schema="app"))
