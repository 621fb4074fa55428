"""What is told of finished calls: the tap, the access log, and how logging is set up.

    tap     sends records of finished calls to whoever asks, without ever making a call wait
    access  one line per finished call
    logs    how lines look, and where they go
    trace   which trace a call belongs to

Everything that takes a `CallFinished` is an `edge.model.pipeline.Settled`.
"""
