"""Projects of the caller: row-level security shows no others."""

from typing import Any, List

from fastapi import APIRouter, Depends, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused
from app.core.identity import user_db
from app.models import Project
from app.schemas.projects import NewProject, ProjectOut

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("", response_model=List[ProjectOut])
async def list_projects(db: AsyncSession = Depends(user_db("projects:read"))) -> Any:
    """All projects, the newest last."""
    return (await db.scalars(select(Project).order_by(Project.created_at, Project.id))).all()


@router.post("", response_model=ProjectOut, status_code=201)
async def create_project(
    body: NewProject, db: AsyncSession = Depends(user_db("projects:write"))
) -> Any:
    """Make a project."""
    project = Project(user_id=func.dualdb.user_id(), name=body.name, description=body.description)
    db.add(project)
    await db.flush()
    await db.refresh(project)
    await db.commit()
    return project


@router.get("/{project_id}", response_model=ProjectOut)
async def get_project(
    project_id: str, db: AsyncSession = Depends(user_db("projects:read"))
) -> Any:
    """One project."""
    project = await db.get(Project, project_id)
    if project is None:
        raise Refused("not_found")
    return project


@router.delete("/{project_id}", status_code=204)
async def delete_project(
    project_id: str, db: AsyncSession = Depends(user_db("projects:write"))
) -> Response:
    """Delete a project and all that belongs to it."""
    project = await db.get(Project, project_id)
    if project is None:
        raise Refused("not_found")
    await db.delete(project)
    await db.commit()
    return Response(status_code=204)
