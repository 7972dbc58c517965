// Package helm tests the Helm chart beside it. It is a module of its own, so that Kubernetes' many
// modules decide nothing for the services.
package helm

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// scenes are values of installations that are likely, and those that together reach every branch
// of the templates.
var scenes = map[string]string{
	"trial":             `redis: {trial: {enabled: true}}`,
	"a Redis elsewhere": `redis: {url: "rediss://:password@redis.example.com:6380/0"}`,
	"sentinels":         `redis: {url: "redis://s1,s2,s3/0?master=carousel", waitReplicas: 1}`,
	"a cluster, its URL in a Secret": `
redis: {existingSecret: our-redis, existingSecretKey: address, waitReplicas: 1}
secrets: {existing: our-secrets}`,
	"everything": `
fullnameOverride: llm
commonLabels: {team: platform}
image: {registry: registry.example.com/team/, tag: v1, pullPolicy: Always, pullSecrets: [pull]}
redis: {trial: {enabled: true, storageClass: fast}}
gateway:
  env: {LOG_LEVEL: debug, REQUEST_BODY_LIMIT_MB: 32, ALLOW_OPEN_RELOAD: true, TRUSTED_PROXIES: 10.0.0.0/8}
  extraEnv: [{name: HTTPS_PROXY, valueFrom: {secretKeyRef: {name: proxy, key: url}}}]
  config: {log_level: info}
  autoscaling: {enabled: true, inFlight: 50}
  maxUnavailable: 25%
  service: {type: LoadBalancer, annotations: {example.com/internal: "true"}}
  podAnnotations: {example.com/a: b}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: dedicated, operator: Exists}]
  affinity: {nodeAffinity: {}}
  priorityClassName: high
tokenstore:
  replicas: 3
  env: {LOG_PROMPTS: false}
  config: {upstreams: [{name: deepseek, driver: openai, base_url: "https://api.deepseek.com/v1", models: [deepseek-chat]}]}
  podAnnotations: {example.com/a: b}
simulator: {enabled: true}
ingress: {enabled: true, tlsSecret: certificate}
httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}]}
networkPolicy: {clients: [{namespaceSelector: {}}], monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
alerts: {enabled: true, labels: {release: prometheus}}
dashboards: {enabled: true}`,
	"certificates":        `{redis: {trial: {enabled: true}}, tls: {existingSecret: {tokenstore: our-tokenstore-tls, gateway: our-gateway-tls}}}`,
	"moving over":         `{redis: {trial: {enabled: true}}, tls: {existingSecret: {tokenstore: our-tokenstore-tls}, plaintext: true}}`,
	"no network policies": `{redis: {trial: {enabled: true}}, networkPolicy: {enabled: false}, simulator: {enabled: true}, serviceMonitor: {enabled: true}}`,
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	loaded, err := loader.LoadDir("carousel")
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// render returns the documents of a release named "carousel" in the namespace "default".
func render(loaded *chart.Chart, values string) ([]string, error) {
	set := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &set); err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: "carousel", Namespace: "default", Revision: 1, IsInstall: true}
	merged, err := chartutil.ToRenderValues(loaded, set, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(loaded, merged)
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(files[name], -1) {
			if isObject(document) {
				documents = append(documents, strings.TrimSpace(document)+"\n")
			}
		}
	}
	return documents, nil
}

// isObject tells whether a document is more than comments.
func isObject(document string) bool {
	return slices.ContainsFunc(strings.Split(document, "\n"), func(line string) bool {
		return line != "" && !strings.HasPrefix(line, "#")
	})
}

// What can't work is refused with a word on what would.
func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	loaded := load(t)
	for values, wanted := range map[string]string{
		``:                                "which Redis?",
		`redis: {url: "localhost:6379"}`:  "/redis/url",
		`redis: {trail: {enabled: true}}`: "trail",
		`{redis: {trial: {enabled: true}}, tokenstore: {replicas: 4}}`:                       "/tokenstore/replicas",
		`{redis: {trial: {enabled: true}}, gateway: {env: {log-level: debug}}}`:              "invalid propertyName 'log-level'",
		`{redis: {trial: {enabled: true}}, gateway: {autoscaling: {enabled: true, cpu: 0}}}`: "by what?",
		`redis: {trial: {enabled: true}, url: "redis://elsewhere"}`:                          "another that nobody uses",
		`{redis: {trial: {enabled: true}}, httpRoute: {enabled: true}}`:                      "to which Gateway",
		`{redis: {trial: {enabled: true}}, tls: {existingSecret: {gateway: g}}}`:             "which certificate has the tokenstore?",
		`{redis: {trial: {enabled: true}}, tls: {plaintext: true}}`:                          "which certificate has the tokenstore?",
		`{redis: {trial: {enabled: true}}, tls: {existingSecret: {tokenstore: t}}}`:          "which certificate do the gateways show?",
		`{redis: {trial: {enabled: true}}, serviceMonitor: {enabled: true}}`:                 "from where does Prometheus come?",
		`{redis: {trial: {enabled: true}}, networkPolicy: {clients: [{podSelectors: {}}]}}`:  "podSelectors",
		`{redis: {trial: {enabled: true}}, gateway: {resources: {limit: {memory: 1Gi}}}}`:    "limit",
	} {
		if _, err := render(loaded, values); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %v, want one that says %q", values, err, wanted)
		}
	}
}

// What is generated is another thing in each release, and long.
func TestSecretsAreGenerated(t *testing.T) {
	t.Parallel()
	loaded := load(t)
	first, second := secretsOf(t, loaded), secretsOf(t, loaded)
	for key := range first {
		if first[key] == second[key] || len(first[key]) < 40 {
			t.Errorf("%s is the same in two releases, or short", key)
		}
	}
	if !sealKey.MatchString(first["carousel-secrets/seal-key"]) {
		t.Error("the seal key is no line with a name and 32 bytes")
	}
	if url := first["carousel-redis/url"]; url != "redis://:"+first["carousel-redis/password"]+"@carousel-redis:6379/0" {
		t.Error("Redis's URL has another password")
	}
}

// sealKey is a line of a key file: a name, and 32 bytes in base64.
var sealKey = regexp.MustCompile(`^k[0-9]{12} [A-Za-z0-9+/]{43}=\n$`)

func secretsOf(t *testing.T, loaded *chart.Chart) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range decode(t, mustRender(t, loaded, scenes["trial"])) {
		if secret, is := object.(*corev1.Secret); is {
			for key, value := range secret.Data {
				found[secret.Name+"/"+key] = string(value)
			}
		}
	}
	if len(found) != 5 {
		t.Fatalf("%d secrets", len(found))
	}
	return found
}

func mustRender(t *testing.T, loaded *chart.Chart, values string) []string {
	t.Helper()
	documents, err := render(loaded, values)
	if err != nil {
		t.Fatal(err)
	}
	return documents
}
