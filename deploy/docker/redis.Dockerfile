# Redis with Carousel's configuration. The build context is this folder.
#
# The configuration travels in the image and not as a bind mount, so that the compose file also works with a remote engine.
ARG REDIS_IMAGE=redis:8-bookworm
FROM ${REDIS_IMAGE}
COPY redis.conf /etc/carousel/redis.conf
# A server without WAITAOF (before 7.2) brings every write to disk, because nobody could wait for one.
RUN redis-server --version | grep -qE 'v=(7\.([2-9]|[1-9][0-9])|[89]|[1-9][0-9])' || sed -i 's/^appendfsync .*/appendfsync always/' /etc/carousel/redis.conf
# A fresh volume inherits this owner; without it, a server that isn't root can't write there.
RUN mkdir -p /data && chown redis:redis /data
USER redis
WORKDIR /data
VOLUME /data
EXPOSE 6379
HEALTHCHECK --interval=1s --timeout=3s --start-period=60s --retries=5 CMD ["redis-cli", "-e", "ping"]
ENTRYPOINT ["redis-server"]
CMD ["/etc/carousel/redis.conf"]
