package program_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"carousel.internal/proto/service/program"
)

type config struct {
	Port int    `key:"port" doc:"Where it listens."`
	Ops  string `key:"ops_addr" doc:"Where it tells how it is."`
}

func TestMain(t *testing.T) {
	p := program.Program[config]{
		Name: "service", Version: "1.2.3", Usage: "usage: service\n",
		Load: func(file string) (config, error) {
			if file == "bad" {
				return config{}, errors.New("port: a whole number wanted")
			}
			return config{Port: 3000, Ops: "127.0.0.1:1"}, nil
		},
		OpsAddr: func(cfg config) string { return cfg.Ops },
		Commands: map[string]program.Command[config]{
			"serve": func(_ context.Context, cfg config, stdout io.Writer) error {
				_, err := fmt.Fprintf(stdout, "serves on %d", cfg.Port)
				return err
			},
			"fail": func(context.Context, config, io.Writer) error { return errors.New("it went wrong") },
		},
	}
	for args, want := range map[string]struct {
		code           int
		stdout, stderr string
	}{
		"":                     {program.Done, "serves on 3000", ""},
		"serve":                {program.Done, "serves on 3000", ""},
		"version":              {program.Done, "1.2.3\n", ""},
		"--config bad version": {program.Done, "1.2.3\n", ""},
		"config":               {program.Done, "port=3000\n    Where it listens.\n", ""},
		"fail":                 {program.Failed, "", "service: it went wrong\n"},
		"healthcheck":          {program.Failed, "", "service: "},
		"--config bad serve":   {program.Failed, "", "the configuration can't be used:\nport: a whole number"},
		"dance":                {program.Misused, "", "usage: service"},
		"serve now":            {program.Misused, "", "usage: service"},
		"--help":               {program.Done, "usage: service\n", ""},
		"config --help":        {program.Done, "usage: service\n", ""},
		"serve -h":             {program.Done, "usage: service\n", ""},
		"serve --loud":         {program.Misused, "", "usage: service"},
		"serve now --help":     {program.Misused, "", "usage: service"},
		"dance --help":         {program.Misused, "", "usage: service"},
		"--loud":               {program.Misused, "", "usage: service"},
	} {
		t.Run(args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := p.Main(t.Context(), strings.Fields(args), &stdout, &stderr)
			if code != want.code || !strings.HasPrefix(stdout.String(), want.stdout) || !strings.Contains(stderr.String(), want.stderr) || want.stderr == "" && stderr.Len() > 0 {
				t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}
