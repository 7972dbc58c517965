package helm

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// foreign are kinds of others, which no type here describes.
var foreign = []string{"HTTPRoute", "PrometheusRule", "ServiceMonitor"}

// decode reads documents as Kubernetes does, and fails at fields that it does not know.
func decode(t *testing.T, documents []string) []runtime.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, document := range documents {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if slices.Contains(foreign, kind.Kind) {
			continue
		}
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

// rendering is what one set of values makes.
type rendering struct {
	// kinds has "Kind/name" of each object.
	kinds map[string]bool
	// pods by the name of what makes them, with their labels.
	pods     map[string]corev1.PodTemplateSpec
	services []*corev1.Service
	budgets  []*policyv1.PodDisruptionBudget
}

func read(t *testing.T, objects []runtime.Object) rendering {
	t.Helper()
	r := rendering{kinds: map[string]bool{}, pods: map[string]corev1.PodTemplateSpec{}}
	for _, object := range objects {
		name := object.(metav1.Object).GetName() //nolint:forcetypeassert // all have one
		id := object.GetObjectKind().GroupVersionKind().Kind + "/" + name
		if r.kinds[id] {
			t.Errorf("%s is there twice", id)
		}
		r.kinds[id] = true
		switch each := object.(type) {
		case *appsv1.Deployment:
			r.pods[id] = each.Spec.Template
			selects(t, id, each.Spec.Selector, each.Spec.Template)
		case *appsv1.StatefulSet:
			r.pods[id] = each.Spec.Template
			selects(t, id, each.Spec.Selector, each.Spec.Template)
		case *corev1.Pod:
			r.pods[id] = corev1.PodTemplateSpec{ObjectMeta: each.ObjectMeta, Spec: each.Spec}
		case *corev1.Service:
			r.services = append(r.services, each)
		case *policyv1.PodDisruptionBudget:
			r.budgets = append(r.budgets, each)
		}
	}
	return r
}

func selects(t *testing.T, id string, selector *metav1.LabelSelector, pod corev1.PodTemplateSpec) {
	t.Helper()
	if !labels.SelectorFromSet(selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Errorf("%s does not select its own pods", id)
	}
}

// Each rendering is what Kubernetes takes, and its parts fit together.
func TestRenderings(t *testing.T) {
	t.Parallel()
	loaded := load(t)
	keys := configurationKeys(t)
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for title, values := range scenes {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r := read(t, decode(t, mustRender(t, loaded, values)))
			for _, service := range r.services {
				reaches(t, r, service)
			}
			for _, budget := range r.budgets {
				if len(podsOf(r, budget.Spec.Selector.MatchLabels)) != 1 {
					t.Errorf("the budget %s is for no pods, or for several parts", budget.Name)
				}
			}
			for id, pod := range r.pods {
				for _, check := range restricted.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
					if !check.Allowed {
						t.Errorf("%s: %s %s", id, check.ForbiddenReason, check.ForbiddenDetail)
					}
				}
				findsItsVolumes(t, r, id, pod.Spec)
				findsItsFiles(t, id, pod.Spec)
				knowsItsKeys(t, keys, id, pod)
			}
		})
	}
}

func podsOf(r rendering, selector map[string]string) (found []corev1.PodTemplateSpec) {
	for _, pod := range r.pods {
		if labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found
}

// reaches checks that a service finds the pods of one part, at ports that they have.
func reaches(t *testing.T, r rendering, service *corev1.Service) {
	t.Helper()
	pods := podsOf(r, service.Spec.Selector)
	if len(pods) != 1 {
		t.Errorf("the service %s finds %d parts", service.Name, len(pods))
		return
	}
	for _, port := range service.Spec.Ports {
		if !slices.ContainsFunc(pods[0].Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return intstr.FromString(p.Name) == port.TargetPort }) {
			t.Errorf("the service %s wants a port %s that its pods lack", service.Name, port.TargetPort.String())
		}
	}
}

// theirOwn are Secrets that an installation is told of.
var theirOwn = []string{"our-redis", "our-secrets", "our-tokenstore-tls", "our-gateway-tls"}

func findsItsVolumes(t *testing.T, r rendering, id string, pod corev1.PodSpec) {
	t.Helper()
	var names []string
	for _, volume := range pod.Volumes {
		names = append(names, volume.Name)
		if s := volume.Secret; s != nil && !r.kinds["Secret/"+s.SecretName] && !slices.Contains(theirOwn, s.SecretName) {
			t.Errorf("%s mounts the secret %s, which is not there", id, s.SecretName)
		}
		if c := volume.ConfigMap; c != nil && !r.kinds["ConfigMap/"+c.Name] {
			t.Errorf("%s mounts the map %s, which is not there", id, c.Name)
		}
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, mount := range container.VolumeMounts {
			if !slices.Contains(names, mount.Name) && mount.Name != "data" { // which a StatefulSet makes
				t.Errorf("%s mounts %s, which is not there", id, mount.Name)
			}
		}
	}
}

// findsItsFiles checks that the files that a program is told of are in what it mounts.
func findsItsFiles(t *testing.T, id string, pod corev1.PodSpec) {
	t.Helper()
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		there := map[string]bool{"/etc/carousel/carousel.yaml": len(volumeAt(container, pod, "/etc/carousel")) == 1}
		for _, mount := range container.VolumeMounts {
			for _, volume := range volumeAt(container, pod, mount.MountPath) {
				if volume.Secret == nil {
					continue
				}
				for _, item := range volume.Secret.Items {
					there[mount.MountPath+"/"+item.Path] = true
				}
			}
		}
		for _, variable := range container.Env {
			if strings.HasSuffix(variable.Name, "_FILE") && !there[variable.Value] {
				t.Errorf("%s: %s names %s, which is not there", id, variable.Name, variable.Value)
			}
		}
	}
}

// volumeAt is what a container has at a path: one, or none.
func volumeAt(container corev1.Container, pod corev1.PodSpec, path string) []corev1.Volume {
	at := slices.IndexFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path })
	return slices.DeleteFunc(slices.Clone(pod.Volumes), func(v corev1.Volume) bool { return at < 0 || v.Name != container.VolumeMounts[at].Name })
}

// knowsItsKeys checks that the services know each variable that they are given.
func knowsItsKeys(t *testing.T, keys map[string]bool, id string, pod corev1.PodTemplateSpec) {
	t.Helper()
	part := pod.Labels["app.kubernetes.io/component"]
	if part != "gateway" && part != "tokenstore" {
		return
	}
	for _, variable := range pod.Spec.Containers[0].Env {
		name := regexp.MustCompile(`_FILE$`).ReplaceAllString(variable.Name, "")
		if !keys[variable.Name] && !keys[name] && name != "HTTPS_PROXY" {
			t.Errorf("%s is given %s, which is no key of the configuration", id, variable.Name)
		}
	}
}

// What Prometheus calls the services is what the alerts ask for.
func TestJobsAreThoseOfTheAlerts(t *testing.T) {
	t.Parallel()
	alerts, err := os.ReadFile("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	jobs := 0
	for _, document := range mustRender(t, load(t), scenes["everything"]) {
		var monitor struct {
			Kind string
			Spec struct {
				Endpoints []struct {
					Relabelings []struct{ TargetLabel, Replacement string }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(document), &monitor); err != nil {
			t.Fatal(err)
		}
		for _, endpoint := range monitor.Spec.Endpoints {
			for _, each := range endpoint.Relabelings {
				if each.TargetLabel != "job" || !strings.Contains(string(alerts), `{job="`+each.Replacement+`"}`) {
					t.Errorf("%s is %s, for which there is no alert", each.TargetLabel, each.Replacement)
				}
				jobs++
			}
		}
	}
	if jobs != 2 {
		t.Errorf("%d jobs, not those of two services", jobs)
	}
}

// configurationKeys are those of the manual, which is made from the code.
func configurationKeys(t *testing.T) map[string]bool {
	t.Helper()
	manual, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{"CONFIG": true}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_]+)` \\|").FindAllStringSubmatch(string(manual), -1) {
		keys[row[1]] = true
	}
	if len(keys) < 40 {
		t.Fatalf("the manual has %d keys", len(keys))
	}
	return keys
}
