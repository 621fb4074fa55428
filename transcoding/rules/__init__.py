"""The rules of `google.api.http`: which method a path means, and what of the path and the query goes into its request.

    annotations ─ binding ─┬─ template ─ matcher       at each change of a schema / for each call
                           ├─ path, query ─ fields ─ text, wellknown
                           └─ mask

`annotations` reads the rules of a file, `binding` compiles a rule of a method into bindings or says what is wrong with
it, `matcher` finds the bindings that take a verb and a path, `path` and `query` put text into a message, and `mask`
makes the update mask of a PATCH. Nothing here knows HTTP beyond verbs, paths and queries. The source of it all is the
text of google/api/http.proto; "AIP" means google.aip.dev.
"""
