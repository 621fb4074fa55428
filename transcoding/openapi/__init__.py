"""OpenAPI 3.1 from the descriptors in force: what REST callers of a route may send, and what they get.

document ─┬─ paths        templates become OpenAPI paths
          ├─ operations ─┬─ parameters   the query, as `transcoding.rules.query` takes it
          │              ├─ messages     components, as `transcoding.codec` reads and prints them
          │              ├─ responses    errors by name, streams
          │              └─ examples
          └─ comments, annotations       what people wrote beside the fields
serving: GET /openapi.json
"""

from transcoding.openapi.document import document
from transcoding.openapi.serving import OPENAPI_PATH, Document, Documents

__all__ = ["OPENAPI_PATH", "Document", "Documents", "document"]
