"""The service of schemas. What was learnt of them is not stored: it comes from the running gateway."""

# ruff: noqa: N802, ARG002 - names and signatures are those of the generated base classes

from __future__ import annotations

from google.protobuf import empty_pb2

from edge.control.configurator import Configurator
from edge.control.kinds import SCHEMA
from edge.control.requests import Requests
from edge.control.resources import timestamp
from edge.control.services import Context, author_of
from edge.control.standard import Standard
from edge.model.errors import GatewayError
from edge.model.runtime import Runtime
from edge.servicing import answer
from gateway.v1 import schema_pb2, schema_service_pb2, schema_service_pb2_grpc


class SchemaService(schema_service_pb2_grpc.SchemaServiceServicer):
    """Manages schemas."""

    def __init__(self, configurator: Configurator, requests: Requests, runtime: Runtime) -> None:
        self._standard: Standard[schema_pb2.Schema] = Standard(SCHEMA, configurator, requests, self._present)
        self._configurator = configurator
        self._runtime = runtime
        # why the file of a schema could not be read again; its old contents are in force then
        self._file_errors: dict[str, str] = {}

    @answer
    async def GetSchema(self, request: schema_service_pb2.GetSchemaRequest, context: Context) -> schema_pb2.Schema:
        """Get a schema."""
        return await self._standard.get(request)

    @answer
    async def ListSchemas(
        self, request: schema_service_pb2.ListSchemasRequest, context: Context
    ) -> schema_service_pb2.ListSchemasResponse:
        """List schemas by name."""
        return await self._standard.list(request, schema_service_pb2.ListSchemasResponse)

    @answer
    async def CreateSchema(
        self, request: schema_service_pb2.CreateSchemaRequest, context: Context
    ) -> schema_pb2.Schema:
        """Create a schema."""
        return await self._standard.create(request, author=author_of(context))

    @answer
    async def UpdateSchema(
        self, request: schema_service_pb2.UpdateSchemaRequest, context: Context
    ) -> schema_pb2.Schema:
        """Update a schema."""
        return await self._standard.update(request, author=author_of(context))

    @answer
    async def DeleteSchema(self, request: schema_service_pb2.DeleteSchemaRequest, context: Context) -> empty_pb2.Empty:
        """Delete a schema."""
        return await self._standard.delete(request, author=author_of(context))

    @answer
    async def RefreshSchema(
        self, request: schema_service_pb2.RefreshSchemaRequest, context: Context
    ) -> schema_pb2.Schema:
        """Read the descriptors again. A failure is shown in the schema and is no failure of the call."""
        schema: schema_pb2.Schema = self._standard.find(request.name)
        if schema.WhichOneof("source") == "file":
            await self._reread(schema.name, author_of(context))
        else:
            await self._runtime.refresh_schema(schema.name)
        return await self._standard.get(request)

    async def _reread(self, name: str, author: str) -> None:
        try:
            await self._configurator.reread(name, author=author, summary=f"RefreshSchema {name}")
        except GatewayError as error:
            self._file_errors[name] = error.message
        else:
            self._file_errors.pop(name, None)

    def _present(self, schema: schema_pb2.Schema) -> schema_pb2.Schema:
        """Return a copy with what the running gateway knows of the schema."""
        shown = schema_pb2.Schema()
        shown.CopyFrom(schema)
        try:
            descriptors, source = self._runtime.schema(schema.name)
        except LookupError:
            # not in force, as in the answer to a request that only validates
            return shown
        shown.services.extend(sorted(descriptors.services))
        shown.hash = descriptors.hash
        if source.success_time is not None:
            shown.refresh_time.CopyFrom(timestamp(source.success_time))
        shown.refresh_error = self._file_errors.get(schema.name) or source.error
        return shown
