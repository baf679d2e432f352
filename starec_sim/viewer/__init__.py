"""Runs in the browser: a server for this machine, and single pages to mail to somebody.

`answers` says what each address of the API answers, `app` serves it, `guards` refuses requests from
elsewhere, `live` tells pages that a run has grown, `bundle` writes one page that holds its answers,
`server` listens on a port. The pages are built from `frontend/` into `static/`.
"""
