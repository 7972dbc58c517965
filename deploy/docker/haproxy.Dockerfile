# The load balancer with Carousel's configuration. The build context is this folder.
#
# The health check needs bash for its TCP connection (the image has no HTTP client): a Debian-based image has it.
ARG LB_IMAGE=haproxy:3.2-bookworm
FROM ${LB_IMAGE}
COPY haproxy.cfg /etc/carousel/haproxy.cfg
COPY haproxy-ready.sh /usr/local/bin/ready
USER haproxy
EXPOSE 3000 8404
# SIGUSR1 lets running requests finish, up to STOP_GRACE: see hard-stop-after in haproxy.cfg.
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s --retries=3 CMD ["ready"]
ENTRYPOINT ["haproxy"]
CMD ["-db", "-f", "/etc/carousel/haproxy.cfg"]
