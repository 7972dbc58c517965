package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The package is installed also where something of Carousel's does not start again, and says whose
// units go before its own.
func TestAfterTheInstallation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unit  string
		fails bool
		says  []string
	}{
		"alone":                  {"", false, nil},
		"what does not start":    {"", true, []string{"systemctl status 'carousel-*.service'"}},
		"units of install.sh":    {"carousel-local.service", false, []string{"carousel-local.service goes before", "sudo rm"}},
		"a template of the same": {"carousel-gateway@.service", false, []string{"carousel-gateway@.service goes before"}},
		"units of somebody else": {"other.service", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			units, programs := filepath.Join(folder, "units"), filepath.Join(folder, "bin")
			for _, each := range []string{units, programs} {
				if err := os.Mkdir(each, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if c.unit != "" {
				if err := os.WriteFile(filepath.Join(units, c.unit), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			systemctl := "#!/bin/sh\ncase $1 in try-restart) exit "
			if c.fails {
				systemctl += "1"
			}
			if err := os.WriteFile(filepath.Join(programs, "systemctl"), []byte(systemctl+";; esac\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			script := strings.NewReplacer("/run/systemd/system", folder, "/etc/systemd/system", units).Replace(maintainerScripts["postinst"])
			command := exec.CommandContext(t.Context(), "sh", "-c", script, "postinst", "configure")
			command.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"))
			said, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, said)
			}
			for _, want := range c.says {
				if !strings.Contains(string(said), want) {
					t.Errorf("it says %q, want %q in it", said, want)
				}
			}
			if len(c.says) == 0 && len(said) > 0 {
				t.Errorf("it says %q", said)
			}
		})
	}
}
