package main

import (
	"bytes"
	"strings"
	"testing"
)

// Each command is known, says how it is used under the name that people type, and ends with the
// code for that.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		code           int
		stdout, stderr string
	}{
		"":                                 {2, "", `"carousel" needs a command: admin, completion, gateway, local, tokenstore, version`},
		"--help":                           {0, "Run all of it in one process, with a Redis of its own\n", ""},
		"version":                          {0, "dev\n", ""},
		"--version":                        {0, "dev\n", ""},
		"locl":                             {2, "", `did you mean "local"?`},
		"local --help":                     {0, "Usage of carousel local:", ""},
		"local -h":                         {0, "-new-admin-token", ""},
		"help local":                       {0, "Usage of carousel local:", ""},
		"local --dta x":                    {2, "", "flag provided but not defined: -dta"},
		"local now":                        {2, "", `"now" is no flag; see carousel local --help`},
		"gateway --help":                   {0, "usage: carousel gateway [--config FILE]", ""},
		"gateway dance":                    {2, "", "usage: carousel gateway [--config FILE]"},
		"gateway admin":                    {2, "", "usage: carousel gateway [--config FILE]"},
		"gateway version":                  {0, "dev\n", ""},
		"gateway --config lost.yaml serve": {1, "", "carousel gateway: the configuration can't be used"},
		"tokenstore --help":                {0, "carousel tokenstore certificates [OPTIONS] FOLDER", ""},
		"gateway serve --help":             {0, "usage: carousel gateway [--config FILE]", ""},
		"tokenstore certificates --help":   {0, "usage: carousel tokenstore certificates [", ""},
		"help version":                     {0, "Prints the version.", ""},
		"version --help":                   {0, "Prints the version.", ""},
		"version now":                      {2, "", `"now"`},
		"tokenstore certificates":          {2, "", "usage: carousel tokenstore certificates ["},
		"help tokenstore":                  {0, "usage: carousel tokenstore [--config FILE]", ""},
		"admin help tokens add":            {0, "carousel admin tokens add --upstream cursor", ""},
		"admin tokns":                      {2, "", `did you mean "tokens"?`},
		"completion bash":                  {0, "bash completion V2 for carousel", ""},
		"__complete tokenstore re":         {0, "reseal\tSeal", "Completion ended"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(line), &stdout, &stderr)
			if code != want.code || !strings.Contains(stdout.String(), want.stdout) || !strings.Contains(stderr.String(), want.stderr) || want.stderr == "" && stderr.Len() > 0 {
				t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}
