package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// The pods run with the images, settings, volumes and read-only roots that are rendered, and
// answer: the pod of "helm test" brings its upstream and its token, and chats. Podman has no
// services: each pod bears the name of the service that finds it.
func TestRenderedPodsAnswerAChat(t *testing.T) {
	redis, found := os.LookupEnv("PODMAN_REDIS_IMAGE")
	podman, err := exec.LookPath("podman")
	if !found || err != nil {
		if os.Getenv("REQUIRE_KUBERNETES") == "1" {
			t.Fatal("PODMAN_REDIS_IMAGE is not set, or there is no podman: \"make validate-kubernetes\" has both")
		}
		t.Skip("\"make validate-kubernetes\" runs this")
	}
	values := fmt.Sprintf(`{redis: {trial: {enabled: true, image: %q}}, simulator: {enabled: true}, image: {pullPolicy: Never}, gateway: {service: {port: 3000}}}`, redis)
	objects := decode(t, mustRender(t, load(t), values))
	cluster := &podmanCluster{program: podman, folder: t.TempDir()}
	cluster.limit(t)
	pods, test := standing(objects), hooks(objects)
	cluster.clear(append(pods, test...)) // what a run that was killed has left
	t.Cleanup(func() { cluster.clear(append(pods, test...)) })
	cluster.play(t, "carousel", pods)
	t.Cleanup(func() {
		if t.Failed() {
			cluster.tellLogs(t)
		}
	})
	eventually(t, playLimit, "a gateway is ready", func(ctx context.Context) error {
		return exec.CommandContext(ctx, podman, "exec", "carousel-gateway", "/usr/local/bin/gateway", "healthcheck").Run()
	})
	cluster.play(t, "test", test)
	cluster.ends(t, "carousel-test")
	said := cluster.do(t, "logs", "carousel-test-chat")
	if strings.TrimSpace(said) == "" {
		t.Error("the chat has no answer")
	}
	t.Logf("the chat was answered: %s", said)
}

// standing are the objects of an installation that podman knows: configuration, secrets, volumes,
// and each pod that something would keep running, under the names of the services that find it.
func standing(objects []runtime.Object) (kept []runtime.Object) {
	var services []*corev1.Service
	for _, object := range objects {
		if service, is := object.(*corev1.Service); is {
			services = append(services, service)
		}
	}
	var pods []runtime.Object // last: they want to find the others
	for _, object := range objects {
		switch each := object.(type) {
		case *corev1.ConfigMap:
			if !isHook(object) {
				kept = append(kept, object)
			}
		case *corev1.Secret:
			kept = append(kept, open(each))
		case *appsv1.Deployment:
			pods = append(pods, podOf(each.Spec.Template, services))
		case *appsv1.StatefulSet:
			pod := podOf(each.Spec.Template, services)
			for _, claim := range each.Spec.VolumeClaimTemplates {
				volume := claim.Name
				claim.Name += "-" + each.Name + "-0"
				claim.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
				kept = append(kept, &claim)
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
				}})
			}
			pods = append(pods, pod)
		}
	}
	return append(kept, pods...)
}

// hooks are the objects of "helm test", and the secrets, for podman looks for them beside the pod.
func hooks(objects []runtime.Object) (kept []runtime.Object) {
	for _, object := range objects {
		if secret, is := object.(*corev1.Secret); is {
			kept = append(kept, open(secret))
		}
		if !isHook(object) {
			continue
		}
		if pod, is := object.(*corev1.Pod); is {
			fit(pod)
		}
		kept = append(kept, object)
	}
	return kept
}

func isHook(object runtime.Object) bool {
	_, is := object.(metav1.Object).GetAnnotations()["helm.sh/hook"] //nolint:forcetypeassert // all have some
	return is
}

// podOf is the first pod of a template, by the name of the last service that finds it: of the
// tokenstore's two that is the one which gateways ask for.
func podOf(template corev1.PodTemplateSpec, services []*corev1.Service) *corev1.Pod {
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	fit(pod)
	for _, service := range services {
		if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(template.Labels)) && (pod.Name == "" || service.Spec.ClusterIP == corev1.ClusterIPNone) {
			pod.Name = service.Name
		}
	}
	return pod
}

// secretPrefix begins the names of maps that have what a secret has.
const secretPrefix = "secret-"

// open makes a map of a secret: podman gives pods the base64 of secrets, as they stand in a
// document.
func open(secret *corev1.Secret) *corev1.ConfigMap {
	made := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{}}
	made.Name = secretPrefix + secret.Name
	for key, value := range secret.Data {
		made.Data[key] = string(value)
	}
	return made
}

// fit makes of a pod what podman can run: it takes short annotations only, and gives volumes to
// root, not to the pod's group.
func fit(pod *corev1.Pod) {
	pod.Annotations, pod.Spec.SecurityContext = nil, nil
	for i, volume := range pod.Spec.Volumes {
		if secret := volume.Secret; secret != nil {
			pod.Spec.Volumes[i].VolumeSource = corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: secretPrefix + secret.SecretName}, Items: secret.Items,
			}}
		}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].SecurityContext.RunAsUser, containers[i].SecurityContext.Capabilities = new(int64), nil
		}
	}
}

// podmanCluster plays objects with podman.
type podmanCluster struct {
	program, folder string
}

const (
	playLimit = 2 * time.Minute
	endLimit  = 2 * time.Minute
)

// limit has podman give containers no more open files and processes than this process may have:
// what it gives by default is more than some machines let it.
func (c *podmanCluster) limit(t *testing.T) {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.folder, "containers.conf")
	write(t, file, fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%d:%d\", \"nproc=4096:4096\"]\n", files.Max, files.Max))
	t.Setenv("CONTAINERS_CONF", file)
}

// play runs objects.
func (c *podmanCluster) play(t *testing.T, name string, objects []runtime.Object) {
	t.Helper()
	var text bytes.Buffer
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "---\n%s", document)
	}
	file := filepath.Join(c.folder, name+".yaml")
	write(t, file, text.String())
	c.do(t, "kube", "play", file)
}

// clear takes away pods, and what podman has made of claims, maps and secrets. Not all is there.
func (c *podmanCluster) clear(objects []runtime.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), playLimit)
	defer cancel()
	for _, object := range slices.Backward(objects) {
		name := object.(metav1.Object).GetName() //nolint:forcetypeassert // all have one
		if _, is := object.(*corev1.Pod); is {
			_ = exec.CommandContext(ctx, c.program, "pod", "rm", "--force", "--ignore", name).Run()
			continue
		}
		_ = exec.CommandContext(ctx, c.program, "volume", "rm", "--force", name).Run()
		_ = exec.CommandContext(ctx, c.program, "secret", "rm", name).Run()
	}
}

// ends waits until all containers of a pod have ended well.
func (c *podmanCluster) ends(t *testing.T, pod string) {
	t.Helper()
	eventually(t, endLimit, pod+" ends", func(context.Context) error {
		for line := range strings.Lines(c.do(t, "ps", "--all", "--filter", "pod="+pod, "--format", "{{.Names}} {{.Exited}} {{.ExitCode}}")) {
			name, ended, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.HasSuffix(name, "-infra") {
				continue
			}
			if ended != "true 0" {
				return fmt.Errorf("%s has ended, and with: %s", name, ended)
			}
		}
		return nil
	})
}

func (c *podmanCluster) do(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), playLimit)
	defer cancel()
	var said, complaints bytes.Buffer
	command := exec.CommandContext(ctx, c.program, args...)
	command.Stdout, command.Stderr = &said, &complaints
	if err := command.Run(); err != nil {
		t.Fatalf("podman %s: %v: %s%s", strings.Join(args, " "), err, &said, &complaints)
	}
	return said.String()
}

func (c *podmanCluster) tellLogs(t *testing.T) {
	t.Helper()
	for _, name := range []string{"carousel-gateway", "carousel-tokenstores-tokenstore", "carousel-redis-redis", "carousel-simulator-simulator", "carousel-test-chat"} {
		out, err := exec.CommandContext(context.Background(), c.program, "logs", "--tail", "20", name).CombinedOutput()
		t.Logf("%s: %v\n%s", name, err, out)
	}
}
