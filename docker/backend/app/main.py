"""The application: uvicorn app.main:app"""

from fastapi import FastAPI

from app.api import api_keys, auth, dashboard, health, me, messages, orders, products, projects
from app.core import errors

app = FastAPI(
    title="dualdb reference backend",
    description="Logins in one PostgreSQL database, the application's data in another.",
)
errors.install(app)
for subject in (auth, me, api_keys, projects, orders, messages, products, dashboard, health):
    app.include_router(subject.router)
