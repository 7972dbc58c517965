package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// foreignKinds are the definitions of the kinds of others that the chart uses: modules that have
// them, and the files in these.
var foreignKinds = map[string][]string{
	"sigs.k8s.io/gateway-api@v1.6.1": {"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	"github.com/prometheus-operator/prometheus-operator@v0.85.0": {
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
	},
}

const (
	startLimit = 3 * time.Minute
	callLimit  = time.Minute
	pollEvery  = 100 * time.Millisecond
	adminKey   = "the-key-of-a-server-that-lives-for-one-test"
)

// A real API server takes each rendering: applied on the server's side, dry, and strictly, so that
// a field that it does not know, or has twice, is an error.
func TestAnAPIServerTakesTheRenderings(t *testing.T) {
	cluster := startAPIServer(t)
	for module, files := range foreignKinds {
		for _, file := range files {
			cluster.define(t, filepath.Join(moduleFolder(t, module), file))
		}
	}
	loaded := load(t)
	for title, values := range scenes {
		t.Run(title, func(t *testing.T) {
			for _, document := range mustRender(t, loaded, values) {
				each, dryRun := object(t, document), []string{metav1.DryRunAll}
				if each.GetKind() == "ServiceAccount" { // without which no pod is taken, not even dry
					dryRun = nil
				}
				if err := cluster.apply(t.Context(), each, dryRun...); err != nil {
					t.Errorf("%v\n%s", err, document)
				}
			}
		})
	}
	t.Run("what it does not know is refused", func(t *testing.T) {
		for _, wrong := range []string{
			`{apiVersion: v1, kind: Service, metadata: {name: wrong}, spec: {ports: [{port: 80}], selektor: {a: b}}}`,
			`{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: wrong}, spec: {selector: {}, endpoints: [{prot: ops}]}}`,
			`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: wrong}, spec: {parents: []}}`,
		} {
			if err := cluster.apply(t.Context(), object(t, wrong), metav1.DryRunAll); err == nil {
				t.Errorf("taken: %s", wrong)
			}
		}
	})
}

func object(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	made := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &made.Object); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return made
}

// apiServer is a real one, with a real etcd, for one test.
type apiServer struct {
	client *dynamic.DynamicClient
	kinds  *restmapper.DeferredDiscoveryRESTMapper
}

// startAPIServer starts the server that KUBE_APISERVER names; without it the test is skipped, or
// fails where REQUIRE_KUBERNETES=1.
func startAPIServer(t *testing.T) *apiServer {
	t.Helper()
	program, found := os.LookupEnv("KUBE_APISERVER")
	etcd, err := exec.LookPath("etcd")
	if !found || err != nil {
		if os.Getenv("REQUIRE_KUBERNETES") == "1" {
			t.Fatal("KUBE_APISERVER is not set, or there is no etcd: \"make validate-kubernetes\" has both")
		}
		t.Skip("\"make validate-kubernetes\" runs this")
	}
	folder := t.TempDir()
	store := "http://" + freeAddress(t)
	run(t, etcd, "--data-dir", filepath.Join(folder, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", "http://"+freeAddress(t))
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	write(t, filepath.Join(folder, "tokens.csv"), adminKey+",admin,admin,system:masters\n")
	account := filepath.Join(folder, "account.key")
	if out, err := exec.CommandContext(t.Context(), "openssl", "genrsa", "-out", account, "2048").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said := run(t, program, "--etcd-servers", store, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", filepath.Join(folder, "certificates"), "--token-auth-file", filepath.Join(folder, "tokens.csv"),
		"--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/16", "--service-account-issuer", "https://carousel.test",
		"--service-account-signing-key-file", account, "--service-account-key-file", account)
	config := &rest.Config{Host: "https://" + address, BearerToken: adminKey, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	server := &apiServer{client: client, kinds: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(finder))}
	eventually(t, startLimit, "the API server is ready", func(ctx context.Context) error {
		if err := finder.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
			return fmt.Errorf("%w; it said last: %s", err, said.end())
		}
		return nil
	})
	return server
}

// define has the server know another kind, and waits until it does.
func (s *apiServer) define(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	definition := object(t, string(text))
	if err := s.apply(t.Context(), definition); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	eventually(t, startLimit, "the server knows "+kind, func(context.Context) error {
		s.kinds.Reset()
		_, err := s.kinds.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
		return err
	})
}

// apply applies an object on the server's side, with strict validation.
func (s *apiServer) apply(ctx context.Context, object *unstructured.Unstructured, dryRun ...string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	kind := object.GroupVersionKind()
	mapping, err := s.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = s.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == "namespace" {
		resource = s.client.Resource(mapping.Resource).Namespace("default")
	}
	force := true
	_, err = resource.Patch(ctx, object.GetName(), "application/apply-patch+yaml", body, metav1.PatchOptions{
		DryRun: dryRun, Force: &force, FieldManager: "carousel", FieldValidation: metav1.FieldValidationStrict,
	})
	return err
}

// moduleFolder returns where a module of the proxy is, and brings it first.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module).Output()
	var known struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &known); err != nil || jsonErr != nil || known.Dir == "" {
		t.Fatalf("%s: %v %s", module, errors.Join(err, jsonErr), known.Error)
	}
	return known.Dir
}

func eventually(t *testing.T, limit time.Duration, what string, holds func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	look := time.NewTicker(pollEvery)
	defer look.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s: %v", limit, what, err)
		}
	}
}

// output keeps the end of what a program says.
type output struct{ file string }

func (o output) end() string {
	text, err := os.ReadFile(o.file)
	if err != nil {
		return err.Error()
	}
	return string(bytes.ToValidUTF8(text[max(0, len(text)-2000):], nil))
}

// run runs a program until the test's end.
func run(t *testing.T, program string, args ...string) output {
	t.Helper()
	said, err := os.CreateTemp(t.TempDir(), filepath.Base(program))
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(program, args...)
	process.Stdout, process.Stderr = io.Writer(said), said
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(10*time.Second, func() { _ = process.Process.Kill() })
		defer kill.Stop()
		_ = process.Wait()
		_ = said.Close()
	})
	return output{said.Name()}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
