package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"carousel.internal/proto/service/program"
	"carousel.internal/tokenstore/internal/certificates"
)

const certificatesUsage = `usage: NAME certificates [--hosts NAMES] [--days N] [--every DURATION] [--rotate] FOLDER

Makes a small certificate authority in FOLDER, and with it certificates for the
tokenstore, for gateways and for an admin's tools, each in a folder of its own
(tokenstore, gateway, admin) with tls.crt, tls.key and ca.crt. What is there stays,
unless it is due: run it again to renew.

  --hosts NAMES     names and addresses of the tokenstore, with commas between, as
                    gateways have them in TOKENSTORE_ADDR; default those of its
                    certificate, of the first one tokenstore,localhost,127.0.0.1
  --days N          how long certificates last; they are renewed when a third of it
                    is left; default 90
  --every DURATION  go on, and look again each time, such as 24h
  --rotate          take the next of the three steps that replace the authority
`

// daysLimit is that of certificates: their authority's ten years are longer.
const daysLimit = 9 * 365

// certificatesCommand is what the command line asks for.
type certificatesCommand struct {
	folder certificates.Folder
	every  time.Duration
	rotate bool
}

// takesCertificates tells whether the command line is that of the command, which needs no
// configuration.
func takesCertificates(args []string) bool { return len(args) > 0 && args[0] == "certificates" }

// runCertificates runs the command and answers the exit code.
func runCertificates(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	usage := strings.ReplaceAll(certificatesUsage, "NAME ", name+" ")
	command, err := parseCertificates(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return program.Done
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n%s", name, err, usage)
		return program.Misused
	}
	if err := command.run(ctx, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return program.Failed
	}
	return program.Done
}

func parseCertificates(args []string) (certificatesCommand, error) {
	var command certificatesCommand
	flags := flag.NewFlagSet("certificates", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage says it better
	hosts := flags.String("hosts", "tokenstore,localhost,127.0.0.1", "")
	days := flags.Int("days", 90, "")
	flags.DurationVar(&command.every, "every", 0, "")
	flags.BoolVar(&command.rotate, "rotate", false, "")
	if err := flags.Parse(args); err != nil {
		return command, err
	}
	given := false
	flags.Visit(func(each *flag.Flag) { given = given || each.Name == "hosts" })
	var names []string
	for name := range strings.SplitSeq(*hosts, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	switch {
	case flags.NArg() != 1:
		return command, errors.New("one folder wanted")
	case len(names) == 0:
		return command, errors.New("--hosts: at least one name wanted")
	case *days < 1 || *days > daysLimit:
		return command, fmt.Errorf("--days: 1 to %d wanted, not %d", daysLimit, *days)
	case command.every != 0 && command.every < time.Minute:
		return command, fmt.Errorf("--every: at least 1m wanted, not %s", command.every)
	case command.every != 0 && command.rotate:
		return command, errors.New("--rotate: a step is taken once, not with --every")
	}
	command.folder = certificates.Folder{
		Path: flags.Arg(0), Life: time.Duration(*days) * 24 * time.Hour, Now: time.Now,
		Holders: []certificates.Holder{
			{Name: "tokenstore", Hosts: names, KeepHosts: !given, Server: true},
			{Name: "gateway", Hosts: []string{"gateway"}},
			{Name: "admin", Hosts: []string{"admin"}},
		},
	}
	return command, nil
}

func (c certificatesCommand) run(ctx context.Context, stdout io.Writer) error {
	if c.rotate {
		step, done, err := c.folder.Rotate()
		say(stdout, done)
		if err == nil {
			say(stdout, []string{string(step)})
		}
		return err
	}
	done, err := c.folder.Keep()
	say(stdout, done)
	if err != nil || c.every == 0 {
		return err
	}
	again := time.NewTicker(c.every)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		done, err := c.folder.Keep()
		say(stdout, done)
		if err != nil { // the next time it may be better; what is there holds
			_, _ = fmt.Fprintf(stdout, "certificates were not kept: %v\n", err)
		}
	}
}

func say(stdout io.Writer, lines []string) {
	for _, line := range lines {
		_, _ = fmt.Fprintln(stdout, line)
	}
}
