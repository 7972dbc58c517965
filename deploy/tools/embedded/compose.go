package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"carousel.internal/proto/service/conf"
)

// composeKeys writes the keys of both services into the compose file, so that each can
// be set in .env: between the marks all that the file itself says nothing of.
func composeKeys(compose []byte, services map[string]any) ([]byte, error) {
	for service, config := range services {
		known := byHand(compose, service)
		block := bytes.NewBufferString("\n")
		for _, key := range conf.Keys(config) {
			name := strings.ToUpper(key)
			if _, set := known[name]; !set && !slices.Contains(fileOnly, key) {
				fmt.Fprintf(block, "  %s:\n", name)
			}
		}
		fmt.Fprintf(block, "  CONFIG_FILE:\n")
		begin, end := "  # begin of "+service+" keys", "  # end of "+service+" keys"
		before, rest, found := bytes.Cut(compose, []byte(begin+"\n"))
		_, after, ended := bytes.Cut(rest, []byte(end))
		if !found || !ended {
			return nil, fmt.Errorf("the compose file has no %q and %q", begin, end)
		}
		compose = bytes.Join([][]byte{before, []byte(begin), block.Bytes(), []byte(end), after}, nil)
	}
	return compose, nil
}

var (
	serviceHead = regexp.MustCompile(`(?m)^  [a-z0-9-]+:`)
	composeLine = regexp.MustCompile(`(?m)^      ([A-Z_]+): (.*)$`)
	// settable is a value that .env may replace.
	settable = regexp.MustCompile(`^"?\$\{([A-Z_]+):?-([^}]*)\}"?$`)
)

// byHand returns what a service's environment sets in the compose file itself, with the
// values as they stand there.
func byHand(compose []byte, service string) map[string]string {
	_, text, _ := bytes.Cut(compose, []byte("\n  "+service+":\n"))
	if next := serviceHead.FindIndex(text); next != nil {
		text = text[:next[0]]
	}
	set := map[string]string{}
	for _, line := range composeLine.FindAllSubmatch(text, -1) {
		set[string(line[1])] = string(line[2])
	}
	return set
}

const composeHead = `# Carousel in containers: what can be set. Copy this file to .env, beside docker-compose.yml, and remove the leading # of
# what you want to change. The values here are the defaults. Made by "make generate".
#
# A key that is a secret can be read from a file instead: its name with _FILE at the end then holds the path in the container,
# such as AUTH_TOKEN_FILE=/etc/carousel/auth_token with CONFIG_DIR set. "First value" means: an admin can change it while
# everything runs, and what the admin has chosen then holds.

# The containers
# ==============

# The published port; 127.0.0.1:3000 publishes it on this machine only.
#PORT=3000

# How many gateways run, and how many the balancer has room for; how many tokenstores.
#GATEWAYS=1
#MAX_GATEWAYS=100
#TOKENSTORES=1
# Where Prometheus can be reached (profile metrics).
#PROMETHEUS_PORT=127.0.0.1:9095

# A folder that both services can read at /etc/carousel (its files must be readable by uid 65532), such as ./config: for CONFIG_FILE and secrets.
#CONFIG_DIR=config

# A YAML, TOML or JSON file that has settings, too, upstreams and routes: CONFIG_FILE=/etc/carousel/carousel.yaml.
#CONFIG_FILE=

# Proxies that the gateways use to reach upstreams.
#HTTP_PROXY=
#HTTPS_PROXY=
#NO_PROXY=

# Networks of proxies in front of the published port, with spaces between, whose X-Forwarded-For and X-Forwarded-Proto the balancer
# believes. TRUSTED_PROXIES must name them, too, where they are not in a private network. Empty: the client is who connects.
#FRONT_PROXIES=

# Memory of the containers. A gateway's and the tokenstore's garbage collectors keep below theirs. Redis refuses writes beyond
# REDIS_MAXMEMORY; its container needs twice as much, for rewrites of the append-only file.
#GATEWAY_MEMORY=768m
#TOKENSTORE_MEMORY=512m
#REDIS_MAXMEMORY=1gb
#REDIS_MEMORY=2g
#LB_MEMORY=512m
#PROMETHEUS_MEMORY=1g

# Each container's log: so many files of such a size.
#LOG_MAX_SIZE=20m
#LOG_MAX_FILES=5

# How long a gateway that stops may take: longer than DRAIN_DELAY and SHUTDOWN_GRACE together. The balancer, which must not stop
# before its gateways do, gets more.
#STOP_GRACE=40s
#LB_STOP_GRACE=50s

# A Redis of your own instead of the one in the compose file: set REDIS_URL, and this to nothing.
#REDIS_URL_FILE=/run/redis/url

# Where the secret between the services is; set it to nothing where TOKENSTORE_SECRET is set.
#TOKENSTORE_SECRET_FILE=/run/carousel/secret

# Certificates instead of that secret for what the services say to each other: these four lines. See docs/tls.md.
#COMPOSE_PROFILES=tls
#TOKENSTORE_TLS_CERT_FILE=/run/tls/tls.crt
#TOKENSTORE_TLS_KEY_FILE=/run/tls/tls.key
#TOKENSTORE_TLS_CA_FILE=/run/tls/ca.crt

# Two replicas of Redis and three sentinels: these four lines. See docs/redis.md.
#COMPOSE_PROFILES=ha
#REDIS_SENTINELS=sentinel-1:26379,sentinel-2:26379,sentinel-3:26379
#REDIS_URL_FILE=/run/redis/sentinel-url
#REDIS_WAIT_REPLICAS=1

# What the images are built from, and the tag and version they get. GOPROXY is where modules come from.
#CAROUSEL_GO_IMAGE=golang:1.26-bookworm
#CAROUSEL_RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot
#CAROUSEL_REDIS_IMAGE=redis:8-bookworm
#CAROUSEL_LB_IMAGE=haproxy:3.2-bookworm
#CAROUSEL_PROMETHEUS_IMAGE=prom/prometheus:v3.5.0
#CAROUSEL_TAG=dev
#CAROUSEL_VERSION=dev
#GOPROXY=
`

// composeExample is .env.example: what the compose file itself takes, and the keys of
// both services that can be set in containers.
func composeExample(compose []byte) []byte {
	ofGateway, ofStore := configs()
	file := bytes.NewBufferString(composeHead)
	section(file, "The gateway", ofGateway, byHand(compose, "gateway"))
	section(file, "The tokenstore", ofStore, byHand(compose, "tokenstore"))
	return file.Bytes()
}
