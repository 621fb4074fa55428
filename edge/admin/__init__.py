"""Looking into the running gateway by gRPC: what it is, how it is, what it would do with a call, what it just did.

    register    puts all of this on the admin server, and the part for callers on the traffic server
    reflection  grpc.reflection.v1 and v1alpha, merged from several schemas
    grpc_health grpc.health.v1
    health      gateway.v1.HealthService, with reasons
    endpoints   gateway.v1.EndpointService
    admin       gateway.v1.AdminService: server info, explain, tap

Nothing here changes the configuration. The services read `edge.model.runtime.Runtime` and follow its watches; every
stream that waits ends with its caller.
"""
