# Everything that is done to this repository by command. "make" alone lists it; CI calls these targets and nothing else.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

BIN := $(CURDIR)/bin
MODULES := proto gateway tokenstore deploy
PROGRAMS := carousel gateway tokenstore upstreamsim
SCRIPTS := .ci/run deploy/install.sh $(wildcard deploy/docker/*.sh)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The race detector needs a C compiler; without one the tests run all the same.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# Narrows the tests, as in: make test-gateway TESTS='-run TestStream ./internal/relay'
TESTS ?= ./...
# How long "make fuzz" spends on each target.
T ?= 30s
# How long "make soak" takes.
SOAK ?= 30m
# Arguments of "make bench"; BENCH=-help lists them.
BENCH ?=
# Which platforms "make release" builds for, with commas between; all of them by default.
ONLY ?=
# The commit that "make bench-before" compares with, such as a tag or a merge base.
BEFORE ?= HEAD~1
# How many gateways "make up" starts, kept in .env, SIM=1 to add the simulated upstreams, METRICS=1 to add Prometheus.
GATEWAYS ?=
SIM ?=
METRICS ?=
# BALANCER=1 has "make upgrade" replace the load balancer as well.
BALANCER ?=

# Either of the two Composes. Only looked up by the targets that use it.
COMPOSE = $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi)
export CAROUSEL_VERSION := $(VERSION)
# The version is set by the linker; Go needn't ask git, which may refuse in a checkout that belongs to somebody else.
export GOFLAGS ?= -buildvcs=false
# What libraries would link although nobody uses it: gRPC's pages of traces, with which no unused method of any type can be left
# out, and gin's MessagePack. The tokenstore is a third smaller without.
TAGS := grpcnotrace,nomsgpack

# $(call each,command) runs a command in every module.
each = for module in $(MODULES); do (cd $$module && $(1)); done

##@ Everyday

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z%-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: $(addprefix build-,$(PROGRAMS)) ## All programs, to bin/

build-carousel:    main := deploy/carousel
build-gateway:     main := gateway/cmd/gateway
build-tokenstore:  main := tokenstore/cmd/tokenstore
build-upstreamsim: main := deploy/upstreamsim/cmd/upstreamsim
.PHONY: $(addprefix build-,$(PROGRAMS))
$(addprefix build-,$(PROGRAMS)): build-%:
	@echo "build $*"
	@CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '-X main.version=$(VERSION)' -o $(BIN)/$* ./$(main)

.PHONY: run
run: ## The pair in one process, on port 3000
	go run ./deploy/local

##@ Tests

.PHONY: test
test: $(addprefix test-,$(MODULES)) test-chart ## All tests; without redis-server, Docker, Chromium, HAProxy, curl, promtool or systemd-analyze theirs are skipped, unless REQUIRE_REDIS=1, REQUIRE_DOCKER=1, REQUIRE_BROWSER=1, REQUIRE_HAPROXY=1, REQUIRE_CURL=1, REQUIRE_PROMTOOL=1, REQUIRE_SYSTEMD=1

# Where tests start whole systems, and mostly wait for them, there are two at a time in each of two
# packages, however many cores there are.
test-proto test-gateway test-tokenstore: parallel :=
test-deploy: parallel := -p 2 -parallel 2
.PHONY: $(addprefix test-,$(MODULES))
$(addprefix test-,$(MODULES)): test-%:
	@echo "test $*"
	@cd $* && go test $(RACE) $(parallel) -timeout 60m $(TESTS)

.PHONY: alerts
alerts: ## Alerts fired by their faults, and resolved after them, by a real Prometheus and Alertmanager; ten minutes (REQUIRE_ALERTMANAGER=1: not without them)
	@cd deploy && ALERTS=1 go test -count=1 -v -timeout 40m -run TestAlertsFire ./monitoring

.PHONY: faults
faults: ## Processes killed, frozen and cut off under load, with counts; six minutes (TESTS='-run TestKill'; ACCOUNTS=5m: how long accounts are under fire)
	@cd deploy && FAULTS=1 go test -count=1 -v -parallel 2 -timeout 30m $(if $(filter ./...,$(TESTS)),,$(TESTS)) ./faults

.PHONY: trace-test
trace-test: $(BIN)/collector ## A request's trace, whole, in a real OpenTelemetry collector, which is built first: two minutes, once
	@cd deploy && COLLECTOR=$(BIN)/collector go test -count=1 -v -run TestARealCollector ./traces

# A module of its own, as the tools are.
$(BIN)/collector: deploy/tools/collector/go.mod deploy/tools/collector/go.sum deploy/tools/collector/main.go
	@echo "building $(@F)"
	@cd $(<D) && GOWORK=off go build -o $@ .

# Its many modules are in no program, so it is outside of go.work.
.PHONY: test-chart
test-chart: ## The Helm chart: what it renders is what Kubernetes takes
	@echo "test chart"
	@cd deploy/helm && GOWORK=off go test ./...

# A build of Kubernetes' API server takes some twelve minutes of CPU time, so CI does without.
.PHONY: validate-kubernetes
validate-kubernetes: $(BIN)/kube-apiserver ## Does a real Kubernetes API server take what the chart renders, and does podman run it? Needs etcd, podman, Docker
	@$(base-images) COMPOSE_PROFILES=sim CAROUSEL_TAG=dev $(COMPOSE) build redis tokenstore gateway upstreamsim
	@docker save $(foreach each,redis tokenstore gateway upstreamsim,carousel/$(each):dev) | podman load
	@cd deploy/helm && GOWORK=off KUBE_APISERVER=$(BIN)/kube-apiserver PODMAN_REDIS_IMAGE=localhost/carousel/redis:dev REQUIRE_KUBERNETES=1 \
		go test -count=1 -v -run 'TestAnAPIServerTakesTheRenderings|TestRenderedPodsAnswerAChat' .

$(BIN)/kube-apiserver: deploy/helm/apiserver/go.mod
	@echo "building kube-apiserver"
	@cd deploy/helm/apiserver && GOWORK=off go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$(GOWORK=off go list -m -f '{{.Version}}' k8s.io/kubernetes)" \
		-o $@ k8s.io/kubernetes/cmd/kube-apiserver

.PHONY: chart
chart: ## The Kustomize base and the manual's table of values, from the Helm chart
	@cd deploy/helm && GOWORK=off go test -run TestMadeFilesAreCurrent -update .

.PHONY: install-test
install-test: ## Does install.sh, and the Debian package, bring what runs under a real systemd? A minute or two; needs podman, debootstrap and root
	@image=$$(deploy/docker/systemd-image.sh); cd deploy && SYSTEMD_IMAGE="$$image" go test -count=1 -v -timeout 20m -run TestInstalledUnderSystemd ./tools/release

.PHONY: soak
soak: ## Steady load and random faults for SOAK (30m): is anything lost, does anything grow?
	@cd deploy && FAULTS=1 SOAK=$(SOAK) go test -count=1 -v -timeout 24h -run TestSoak ./faults

.PHONY: fuzz
fuzz: ## Every fuzz target for T (30s) each
	@$(call each,{ grep -rl --include='*_test.go' '^func Fuzz' . || true; } | while read -r file; do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
	    echo "fuzz $$module/$$(dirname $$file) $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(T) ./$$(dirname $$file); \
	  done; \
	done)

.PHONY: bench
bench: ## Carousel beside nginx and bare proxies, 12 minutes; writes docs/benchmark.md and says what is missed (BENCH=-quick: does it work?)
	go run ./deploy/bench $(BENCH)

.PHONY: bench-before
bench-before: ## Carousel beside itself at BEFORE (HEAD~1), a minute: ratios, which nothing judges
	go run ./deploy/bench -before $(BEFORE) -systems Carousel -workloads plain-16,stream-16,open-300 -cell 1s -rest 2s -judge=false $(BENCH)

.PHONY: bench-smoke
bench-smoke: ## Every micro-benchmark once, so that none is broken
	@$(call each,go test -run '^$$' -bench . -benchtime 1x ./... | { grep -v 'no test files' || true; })

.PHONY: pictures
pictures: ## Keeps the present looks of all components, with which tests compare
	@cd deploy && REQUIRE_BROWSER=1 go test -count=1 ./e2e -run TestKitLooksAsKept -make-pictures

.PHONY: film
film: ## Takes the README's moving picture anew: the first minute, of the real program
	@cd deploy && REQUIRE_BROWSER=1 go test -count=1 ./e2e/film -make-film

##@ Code

.PHONY: check
check: fmt-check vet lint generate-check imports standalone tidy-check notices-check docs-check scripts-check ## All that CI checks beside the tests

.PHONY: generate
generate: $(BIN)/buf ## Go code from the .proto files, and the files that repeat others
	@cd proto && GOWORK=off $(BIN)/buf generate
	@cd deploy && go run ./tools/embedded
	@cd deploy && go run ./monitoring -folder grafana

# Generated aside and compared, so that a change that isn't committed yet is no failure.
.PHONY: generate-check
generate-check: $(BIN)/buf ## Is the generated code what the .proto files say, and are the files that repeat others current?
	@echo "generate-check"
	@aside=$$(mktemp -d); trap 'rm -rf "$$aside"' EXIT; \
	sums() { (cd "$$1" && find . -name '*.pb.go' -exec sha256sum {} + | sort -k 2); }; \
	(cd proto && GOWORK=off $(BIN)/buf generate --output "$$aside"); \
	diff <(sums proto) <(sums "$$aside") || { echo 'generated code is stale: run "make generate"' >&2; exit 1; }
	@cd deploy && go test -count=1 ./tools/embedded ./traps # they read other modules, which the cache of tests does not see

.PHONY: fmt
fmt: $(BIN)/golangci-lint $(BIN)/buf ## Formats Go and proto files
	@$(call each,$(BIN)/golangci-lint fmt)
	@cd proto && $(BIN)/buf format --write

.PHONY: fmt-check
fmt-check: $(BIN)/golangci-lint $(BIN)/buf ## Is everything formatted?
	@echo "fmt-check"
	@$(call each,$(BIN)/golangci-lint fmt --diff)
	@cd proto && $(BIN)/buf format --diff --exit-code

.PHONY: vet
vet: ## go vet
	@echo "vet"
	@go vet work

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/buf ## golangci-lint in every module, buf lint
	@$(call each,echo "lint $$module" && $(BIN)/golangci-lint run ./...)
	@echo "lint deploy/helm" && cd deploy/helm && GOWORK=off $(BIN)/golangci-lint run ./...
	@cd proto && $(BIN)/buf lint

.PHONY: imports
imports: ## The tables of who may import whom
	@echo "imports"
	@go test ./gateway/internal/archtest ./tokenstore/internal/archtest

# As the Dockerfile and a user of one module build: by the replace lines instead of the workspace.
.PHONY: standalone
standalone: ## Does every module build without the workspace?
	@echo "standalone"
	@$(call each,GOWORK=off go build ./...)

.PHONY: tidy
tidy: ## go mod tidy in every module
	@$(call each,GOWORK=off go mod tidy)

.PHONY: tidy-check
tidy-check: ## Is every go.mod tidy?
	@echo "tidy-check"
	@$(call each,GOWORK=off go mod tidy -diff)
	@cd deploy/helm && GOWORK=off go mod tidy -diff

.PHONY: notices
notices: ## THIRD-PARTY-NOTICES.txt: the licences of what is linked into the programs
	@cd deploy && go run ./tools/notices -notices ../THIRD-PARTY-NOTICES.txt

.PHONY: notices-check
notices-check: ## Are the notices those of the present modules?
	@echo "notices-check"
	@cd deploy && go run ./tools/notices -check -notices ../THIRD-PARTY-NOTICES.txt

.PHONY: sbom
sbom: ## A bill of materials (CycloneDX), to bin/sbom.cdx.json
	@mkdir -p $(BIN)
	@cd deploy && go run ./tools/notices -sbom $(BIN)/sbom.cdx.json -version $(VERSION)

# Everything of a version in dist/, static, for linux, darwin and windows on amd64 and arm64.
.PHONY: release
release: ## What is published of a version, to dist/ (ONLY=linux/amd64 builds for that alone)
	@cd deploy && go run ./tools/release -version $(VERSION) -out $(CURDIR)/dist -tags $(TAGS) -only '$(ONLY)'

# With a compiler's cache of its own: what one has kept would say nothing about a build.
.PHONY: release-check
release-check: ## Does another clone, at another path, build the same bytes as dist/ has? (ONLY as for release)
	@aside=$$(mktemp -d); trap 'chmod -R u+w "$$aside"; rm -rf "$$aside"' EXIT; \
	git clone --quiet . "$$aside/elsewhere"; \
	export GOCACHE="$$aside/cache"; \
	$(MAKE) -C "$$aside/elsewhere" release VERSION=$(VERSION); \
	diff dist/SHA256SUMS "$$aside/elsewhere/dist/SHA256SUMS" && cd "$$aside/elsewhere/dist" && sha256sum --quiet --check SHA256SUMS && echo "the same bytes"

.PHONY: docs-check
docs-check: ## Does every relative link in the documents lead somewhere?
	@echo "docs-check"
	@git ls-files --cached --others --exclude-standard '*.md' | { broken=0; while read -r file; do \
	  for link in $$({ grep -oE '\]\([^)# ]*|src="[^"]*' "$$file" || true; } | sed 's/^](//; s/^src="//' | { grep -v '^[a-z]*:' || true; }); do \
	    [[ -e "$$(dirname "$$file")/$$link" ]] || { echo "$$file: broken link $$link" >&2; broken=1; }; \
	  done; \
	done; exit $$broken; }

.PHONY: scripts-check
scripts-check: ## Can the shell scripts and the compose file be read?
	@echo "scripts-check"
	@for script in $(SCRIPTS); do bash -n "$$script"; done
	@if command -v docker >/dev/null || command -v docker-compose >/dev/null; then $(COMPOSE) config --quiet; fi

# Each tool is a module of its own, outside go.work: their requirements contradict each other's and ours.
.PHONY: tools
tools: $(BIN)/golangci-lint $(BIN)/buf ## The tools, to bin/ (a minute or two each, once)

$(BIN)/golangci-lint: deploy/tools/lint/go.mod deploy/tools/lint/go.sum
$(BIN)/buf: deploy/tools/buf/go.mod deploy/tools/buf/go.sum
$(BIN)/golangci-lint $(BIN)/buf:
	@echo "building $(@F)"
	@cd $(<D) && GOWORK=off GOBIN=$(BIN) go install tool
	@touch $@

.PHONY: clean
clean: ## Removes bin/
	rm -rf $(BIN)

##@ Docker

# Its own command, because a failure inside of eval "$$(…)" goes unnoticed.
base-images = $(profiles) images="$$(deploy/docker/base-images.sh)"; eval "$$images";
# Compose's profiles are those of the environment, else of .env, and those that are asked for here.
profiles = profiles="$$(deploy/docker/profiles.sh)"; \
  $(foreach each,$(if $(SIM),sim) $(if $(METRICS),metrics),profiles+="$${profiles:+,}$(each)";) \
  [[ -z $$profiles ]] || export COMPOSE_PROFILES="$$profiles";

.PHONY: up
up: ## Builds and starts the containers (GATEWAYS=3, SIM=1, METRICS=1); without an image registry on stand-ins of the base images
	@$(if $(GATEWAYS),touch .env; others="$$(grep -v '^GATEWAYS=' .env || true)"; printf '%s\n' $${others:+"$$others"} 'GATEWAYS=$(GATEWAYS)' >.env)
	@$(base-images) $(COMPOSE) up --build --detach
	@for second in {1..90}; do \
	  ! $(COMPOSE) exec -T lb ready >/dev/null 2>&1 || break; \
	  ((second < 90)) || { $(COMPOSE) logs --tail=20; echo "Carousel is not ready: see its log above" >&2; exit 1; }; \
	  sleep 1; \
	done
	@$(COMPOSE) logs --no-color gateway 2>/dev/null | grep -i 'admin token' || true
	@port=$$(sed -n 's/^PORT=//p' .env 2>/dev/null || true); port=$${PORT:-$${port:-3000}}; echo "Carousel answers at http://localhost:$${port##*:}"

.PHONY: upgrade
upgrade: ## Replaces the containers by ones of this version, one after the other: no request fails (BALANCER=1: the balancer, too)
	@$(base-images) $(COMPOSE) build
	@$(base-images) COMPOSE="$(COMPOSE)" BALANCER="$(BALANCER)" deploy/docker/upgrade.sh

.PHONY: down
down: ## Stops the containers; their data stays
	@COMPOSE_PROFILES=sim,tls,ha,metrics $(COMPOSE) down --remove-orphans

.PHONY: logs
logs: ## Follows the containers' logs
	@$(COMPOSE) logs --follow --tail=100
