package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// startLimit is for what takes seconds on a machine that does nothing else.
const startLimit = 2 * time.Minute

// machine is a container whose first process is systemd. Nothing of the network is seen from there.
type machine struct {
	t    *testing.T
	name string
}

// boot starts one that sees a folder as /dist.
func boot(t *testing.T, dist string) *machine {
	t.Helper()
	image := os.Getenv("SYSTEMD_IMAGE")
	if image == "" {
		t.Skip(`"make install-test" runs this`)
	}
	var files syscall.Rlimit // podman asks for more than it may have where this is a container, too
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	m := &machine{t, fmt.Sprintf("carousel-install-%d", os.Getpid())}
	args := []string{
		"run", "--detach", "--name", m.name, "--systemd=always", "--network=none", "--volume", dist + ":/dist:ro",
		"--ulimit", fmt.Sprintf("nofile=%d:%d", files.Max, files.Max), "--ulimit", "nproc=4096:4096", image, "/sbin/init",
	}
	t.Cleanup(func() { _ = exec.Command("podman", "rm", "--force", "--volumes", m.name).Run() })
	if said, err := exec.CommandContext(t.Context(), "podman", args...).CombinedOutput(); err != nil {
		t.Fatalf("podman: %v\n%s", err, said)
	}
	m.eventually("systemd has started", func() bool {
		said, _ := m.try("systemctl is-system-running")
		return strings.HasPrefix(said, "running") || strings.HasPrefix(said, "degraded")
	})
	return m
}

// try runs a line of a shell there, as root.
func (m *machine) try(line string) (said string, err error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), startLimit)
	defer cancel()
	output, err := exec.CommandContext(ctx, "podman", "exec", m.name, "sh", "-c", line).CombinedOutput()
	return string(output), err
}

// do is try for what has to succeed.
func (m *machine) do(line string) string {
	m.t.Helper()
	said, err := m.try(line)
	if err != nil {
		logs, _ := m.try("journalctl --no-pager --output=cat --unit='carousel-*' | tail -n 40")
		m.t.Fatalf("%s: %v\n%s\n%s", line, err, said, logs)
	}
	return said
}

func (m *machine) eventually(what string, is func() bool) {
	m.t.Helper()
	stack.Eventually(m.t, what, startLimit, is)
}

// logged waits until a unit has logged what a pattern finds, and returns its group.
func (m *machine) logged(unit, pattern string) string {
	m.t.Helper()
	var found []string
	m.eventually(unit+" logs "+pattern, func() bool {
		said, _ := m.try("journalctl --no-pager --output=cat --unit=" + unit)
		found = regexp.MustCompile(pattern).FindStringSubmatch(said)
		return found != nil
	})
	return found[len(found)-1]
}

// answers says whether a chat has an answer at a port.
func (m *machine) answers(port, key string) {
	m.t.Helper()
	var said string
	m.eventually("a chat is answered at port "+port, func() bool {
		var err error
		said, err = m.try(`curl --silent --show-error --fail-with-body --max-time 60 http://127.0.0.1:` + port + `/v1/chat/completions -H "Authorization: Bearer ` + key + `" ` +
			`-d '{"model": "demo-openai", "messages": [{"role": "user", "content": "Are you there?"}]}'`)
		return err == nil && strings.Contains(said, "Are you there?")
	})
	m.t.Logf("the chat at port %s: %s", port, said)
}

// isConfined: a unit's process is nobody's who owns anything else, and systemd's rules hold for it.
func (m *machine) isConfined(unit string) {
	m.t.Helper()
	pid := strings.TrimSpace(m.do("systemctl show --property=MainPID --value " + unit))
	status := m.do("cat /proc/" + pid + "/status")
	for _, want := range []string{`Uid:\s+[1-9]`, `CapBnd:\s+0{16}`, `NoNewPrivs:\s+1`, `Seccomp:\s+2`} {
		if !regexp.MustCompile(want).MatchString(status) {
			m.t.Errorf("%s: /proc/%s/status has no %s:\n%s", unit, pid, want, status)
		}
	}
}

// stops: a unit ends when it is asked to, and says that all went well.
func (m *machine) stops(units string) {
	m.t.Helper()
	m.do("systemctl stop " + units)
	for unit := range strings.FieldsSeq(units) {
		if said := m.do("systemctl show --property=ActiveState,Result,ExecMainStatus " + unit); said != "Result=success\nExecMainStatus=0\nActiveState=inactive\n" {
			m.t.Errorf("%s: %s", unit, said)
		}
	}
}

// What install.sh and the Debian package bring starts under a real systemd, answers, and stops.
func TestInstalledUnderSystemd(t *testing.T) {
	if os.Getenv("SYSTEMD_IMAGE") == "" {
		t.Skip(`"make install-test" runs this`)
	}
	here := platform{"linux", runtime.GOARCH}
	bin, dist := t.TempDir(), t.TempDir()
	if err := build(t.Context(), here, "v1.2.3", "grpcnotrace,nomsgpack", bin); err != nil {
		t.Fatal(err)
	}
	if err := pack(here, "v1.2.3", noon, bin, dist); err != nil {
		t.Fatal(err)
	}
	if err := debianPackage(t.Context(), here.arch, "v1.2.3", noon, bin, t.TempDir(), dist); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(dist); err != nil {
		t.Fatal(err)
	}
	if err := copyFile("install.sh", filepath.Join(dist, "install.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	m := boot(t, dist)

	// Over a version that had a program for each service.
	m.do("echo old >/usr/local/bin/carousel-local")
	if said := m.do("sh /dist/install.sh --from /dist"); !strings.Contains(said, "the units are in /etc/systemd/system") || !strings.Contains(said, "it is /usr/local/bin/carousel local now") {
		t.Errorf("install.sh says %s", said)
	}
	if said := m.do("carousel version; ls /usr/local/bin"); said != "v1.2.3\ncarousel\n" {
		t.Errorf("there is %s", said)
	}

	// All in one.
	m.do("systemctl enable --now carousel-local")
	key := m.logged("carousel-local", `KEY=(sk-carousel-\S+)`)
	m.answers("3000", key)
	m.isConfined("carousel-local")
	m.do("CAROUSEL_KEY=" + key + " carousel admin context add here")
	if said := m.do("carousel admin upstreams list -o csv"); !strings.Contains(said, "demo") {
		t.Errorf("the upstreams are %s", said)
	}
	if said := m.do("sh /dist/install.sh --from /dist"); !strings.Contains(said, "try-restart") {
		t.Errorf("install.sh says nothing of what runs: %s", said)
	}
	m.do("mkdir -p /etc/carousel && echo PORT=3100 >/etc/carousel/local.env && systemctl restart carousel-local")
	m.answers("3100", key) // the data has stayed

	// The Debian package takes the place of what install.sh has brought.
	m.do("rm /etc/systemd/system/carousel-*.service /usr/local/bin/carousel && dpkg --install /dist/carousel_*.deb")
	m.eventually("the new package's program runs", func() bool {
		said, _ := m.try(`readlink "/proc/$(systemctl show --property=MainPID --value carousel-local)/exe"`)
		return said == "/usr/bin/carousel\n"
	})
	m.answers("3100", key)

	// Services of their own, with a Redis of the machine's. Their upstream is the pair from above.
	m.do(`cd /etc/carousel && umask 077 && echo a-secret-of-this-machine >service-secret && echo redis://127.0.0.1:6379/0 >redis-url &&
		systemctl start redis-server && systemctl enable --now carousel-tokenstore carousel-gateway@3000`)
	admin := m.logged("carousel-gateway@3000", `admin token: (sk-carousel-\S+)`)
	m.do("CAROUSEL_KEY=" + admin + " carousel admin context add pair --url http://127.0.0.1:3000")
	m.do("carousel admin --context pair upstreams put other --driver openai --base-url http://127.0.0.1:3100/v1 --models demo-openai")
	m.do("echo " + key + " | carousel admin --context pair tokens add --upstream other")
	m.answers("3000", admin)
	m.isConfined("carousel-tokenstore")
	m.isConfined("carousel-gateway@3000")

	m.stops("carousel-gateway@3000 carousel-tokenstore")
	m.do("systemctl restart carousel-gateway@3000 carousel-tokenstore")
	m.do("dpkg --remove carousel")
	if said, _ := m.try("ls -l /proc/[0-9]*/exe 2>/dev/null | grep carousel; ls /usr/bin/carousel"); !strings.HasPrefix(said, "ls: cannot access") {
		t.Errorf("what is removed runs, or is there: %s", said)
	}
}
