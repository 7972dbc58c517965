#!/usr/bin/env bash
# Tells whether a request would be served: exit code 0 or 1. The image has no HTTP client.
exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && grep -q '^HTTP/1.[01] 200' <&3
