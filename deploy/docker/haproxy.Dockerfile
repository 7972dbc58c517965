# The load balancer with Carousel's configuration. The build context is this folder.
#
# The health check needs bash for its TCP connection (the image has no HTTP client): a Debian-based image has it.
ARG LB_IMAGE=haproxy:3.2-bookworm
FROM ${LB_IMAGE}
COPY haproxy.cfg /etc/carousel/haproxy.cfg
USER haproxy
EXPOSE 3000 8404
# SIGUSR1 lets running requests finish, up to hard-stop-after in haproxy.cfg.
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=1s --timeout=3s --start-period=30s --retries=5 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8404 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.[01] 200' <&3"]
ENTRYPOINT ["haproxy"]
CMD ["-db", "-f", "/etc/carousel/haproxy.cfg"]
