import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthenticationPolicy(_message.Message):
    __slots__ = ("methods", "combine", "allow_anonymous")
    class Combine(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COMBINE_UNSPECIFIED: _ClassVar[AuthenticationPolicy.Combine]
        COMBINE_ANY: _ClassVar[AuthenticationPolicy.Combine]
        COMBINE_ALL: _ClassVar[AuthenticationPolicy.Combine]
    COMBINE_UNSPECIFIED: AuthenticationPolicy.Combine
    COMBINE_ANY: AuthenticationPolicy.Combine
    COMBINE_ALL: AuthenticationPolicy.Combine
    METHODS_FIELD_NUMBER: _ClassVar[int]
    COMBINE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    methods: _containers.RepeatedCompositeFieldContainer[AuthenticationMethod]
    combine: AuthenticationPolicy.Combine
    allow_anonymous: bool
    def __init__(self, methods: _Optional[_Iterable[_Union[AuthenticationMethod, _Mapping]]] = ..., combine: _Optional[_Union[AuthenticationPolicy.Combine, str]] = ..., allow_anonymous: bool = ...) -> None: ...

class AuthenticationMethod(_message.Message):
    __slots__ = ("jwt", "api_key", "mtls")
    JWT_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    MTLS_FIELD_NUMBER: _ClassVar[int]
    jwt: JwtAuthentication
    api_key: ApiKeyAuthentication
    mtls: MtlsAuthentication
    def __init__(self, jwt: _Optional[_Union[JwtAuthentication, _Mapping]] = ..., api_key: _Optional[_Union[ApiKeyAuthentication, _Mapping]] = ..., mtls: _Optional[_Union[MtlsAuthentication, _Mapping]] = ...) -> None: ...

class CredentialSource(_message.Message):
    __slots__ = ("headers", "cookies", "query_parameters")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    COOKIES_FIELD_NUMBER: _ClassVar[int]
    QUERY_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedScalarFieldContainer[str]
    cookies: _containers.RepeatedScalarFieldContainer[str]
    query_parameters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, headers: _Optional[_Iterable[str]] = ..., cookies: _Optional[_Iterable[str]] = ..., query_parameters: _Optional[_Iterable[str]] = ...) -> None: ...

class JwtAuthentication(_message.Message):
    __slots__ = ("issuers", "source", "claims_header", "claim_headers", "strip_token")
    class ClaimHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ISSUERS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_HEADER_FIELD_NUMBER: _ClassVar[int]
    CLAIM_HEADERS_FIELD_NUMBER: _ClassVar[int]
    STRIP_TOKEN_FIELD_NUMBER: _ClassVar[int]
    issuers: _containers.RepeatedCompositeFieldContainer[JwtIssuer]
    source: CredentialSource
    claims_header: str
    claim_headers: _containers.ScalarMap[str, str]
    strip_token: bool
    def __init__(self, issuers: _Optional[_Iterable[_Union[JwtIssuer, _Mapping]]] = ..., source: _Optional[_Union[CredentialSource, _Mapping]] = ..., claims_header: _Optional[str] = ..., claim_headers: _Optional[_Mapping[str, str]] = ..., strip_token: bool = ...) -> None: ...

class JwtIssuer(_message.Message):
    __slots__ = ("issuer", "audiences", "jwks_uri", "jwks_file", "jwks", "algorithms", "leeway", "required_claims", "refresh_interval", "roles_claim", "permissions_claim")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    JWKS_URI_FIELD_NUMBER: _ClassVar[int]
    JWKS_FILE_FIELD_NUMBER: _ClassVar[int]
    JWKS_FIELD_NUMBER: _ClassVar[int]
    ALGORITHMS_FIELD_NUMBER: _ClassVar[int]
    LEEWAY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CLAIMS_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    ROLES_CLAIM_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_CLAIM_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    audiences: _containers.RepeatedScalarFieldContainer[str]
    jwks_uri: str
    jwks_file: str
    jwks: str
    algorithms: _containers.RepeatedScalarFieldContainer[str]
    leeway: _duration_pb2.Duration
    required_claims: _containers.RepeatedScalarFieldContainer[str]
    refresh_interval: _duration_pb2.Duration
    roles_claim: str
    permissions_claim: str
    def __init__(self, issuer: _Optional[str] = ..., audiences: _Optional[_Iterable[str]] = ..., jwks_uri: _Optional[str] = ..., jwks_file: _Optional[str] = ..., jwks: _Optional[str] = ..., algorithms: _Optional[_Iterable[str]] = ..., leeway: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., required_claims: _Optional[_Iterable[str]] = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., roles_claim: _Optional[str] = ..., permissions_claim: _Optional[str] = ...) -> None: ...

class ApiKeyAuthentication(_message.Message):
    __slots__ = ("source", "strip_key")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STRIP_KEY_FIELD_NUMBER: _ClassVar[int]
    source: CredentialSource
    strip_key: bool
    def __init__(self, source: _Optional[_Union[CredentialSource, _Mapping]] = ..., strip_key: bool = ...) -> None: ...

class MtlsAuthentication(_message.Message):
    __slots__ = ("subject_alternative_names", "forwarded_header")
    SUBJECT_ALTERNATIVE_NAMES_FIELD_NUMBER: _ClassVar[int]
    FORWARDED_HEADER_FIELD_NUMBER: _ClassVar[int]
    subject_alternative_names: _containers.RepeatedScalarFieldContainer[str]
    forwarded_header: str
    def __init__(self, subject_alternative_names: _Optional[_Iterable[str]] = ..., forwarded_header: _Optional[str] = ...) -> None: ...

class AuthorizationPolicy(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[AuthorizationRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[AuthorizationRule, _Mapping]]] = ...) -> None: ...

class AuthorizationRule(_message.Message):
    __slots__ = ("effect", "roles", "permissions", "methods", "condition")
    class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EFFECT_UNSPECIFIED: _ClassVar[AuthorizationRule.Effect]
        EFFECT_ALLOW: _ClassVar[AuthorizationRule.Effect]
        EFFECT_DENY: _ClassVar[AuthorizationRule.Effect]
    EFFECT_UNSPECIFIED: AuthorizationRule.Effect
    EFFECT_ALLOW: AuthorizationRule.Effect
    EFFECT_DENY: AuthorizationRule.Effect
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    effect: AuthorizationRule.Effect
    roles: _containers.RepeatedScalarFieldContainer[str]
    permissions: _containers.RepeatedScalarFieldContainer[str]
    methods: _containers.RepeatedScalarFieldContainer[str]
    condition: str
    def __init__(self, effect: _Optional[_Union[AuthorizationRule.Effect, str]] = ..., roles: _Optional[_Iterable[str]] = ..., permissions: _Optional[_Iterable[str]] = ..., methods: _Optional[_Iterable[str]] = ..., condition: _Optional[str] = ...) -> None: ...

class ExternalAuthorizationPolicy(_message.Message):
    __slots__ = ("upstream", "timeout", "fail_open", "headers")
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FAIL_OPEN_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    timeout: _duration_pb2.Duration
    fail_open: bool
    headers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, upstream: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., fail_open: bool = ..., headers: _Optional[_Iterable[str]] = ...) -> None: ...
