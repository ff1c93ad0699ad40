"""Bases that Pydantic 1 and 2 have in common."""

from decimal import Decimal

from pydantic import VERSION, BaseModel

if VERSION.startswith("1."):

    class FromRow(BaseModel):
        """Made from a row or an ORM object; money is text, as floats cannot hold it."""

        class Config:
            """Pydantic's place for options."""

            orm_mode = True
            json_encoders = {Decimal: str}

else:

    class FromRow(BaseModel):  # type: ignore[no-redef]
        """Made from a row or an ORM object; money is text, as floats cannot hold it."""

        model_config = {"from_attributes": True}
