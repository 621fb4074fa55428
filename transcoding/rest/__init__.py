"""REST: JSON over HTTP by the rules of `google.api.http`.

rule        a rule with its method: request in, message out, and back
request     path, query and body become messages
splitter    messages out of a body that is a stream
coding      gzip and deflate undone
formats     how a stream of answers is written
responder   answers one call
"""

from transcoding.rest.responder import RestResponder
from transcoding.rest.rule import RestRule

__all__ = ["RestResponder", "RestRule"]
