package admincli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/backupcli"
	"carousel.internal/gateway/internal/backupform"
	"carousel.internal/proto/service/secret"
)

func (s *session) backup() *cobra.Command {
	c := &cobra.Command{
		Use: "backup [FILE]", Short: "Make a backup of all that admins have made, sealed with a passphrase", Args: between(0, 1), ValidArgsFunction: anyFile,
		Long: `Makes a backup of all that admins have made: tokens, client keys, upstreams, routes, settings, pages
and prices. It is sealed with a passphrase, without which nobody can open it. FILE must be a new
one; - is standard output. Without FILE it is named by the time. The exit code is 1 when the backup
lacks something because the store can't read it.`,
		Example: s.examples("backup", "backup carousel.backup.age --passphrase-file passphrase"),
	}
	file := passphraseFlag(c)
	return s.runs(c, func(ctx context.Context, args []string) error {
		passphrase, err := s.passphrase(ctx, *file, true)
		if err != nil {
			return err
		}
		sealed, unreadable, err := backupcli.Make(ctx, s.callAPI, passphrase)
		if err != nil {
			return err
		}
		name := backupform.FileName(s.Now())
		if len(args) == 1 {
			name = args[0]
		}
		if err := s.writeBackup(name, sealed); err != nil {
			return err
		}
		if lacks := backupcli.Lacks(unreadable); lacks != "" {
			return errors.New(lacks)
		}
		return nil
	})
}

func (s *session) writeBackup(name string, sealed []byte) error {
	if name == "-" {
		_, err := s.Stdout.Write(sealed)
		return err
	}
	if err := backupcli.Save(name, sealed); err != nil {
		return err
	}
	s.say("the backup is in %s; without its passphrase it is of no use", name)
	return nil
}

func (s *session) restore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore FILE", Short: "Show what restoring a backup would change, and restore it", Args: exactly(1), ValidArgsFunction: anyFile,
		Long: `Shows what restoring a backup would change, and with --yes carries that out. What the backup does
not have is kept, unless --remove-others is given. FILE may be - for standard input. The exit code
is 1 when something of the backup is refused; the rest is restored all the same.`,
		Example: s.examples("restore carousel.backup.age", "restore carousel.backup.age --yes --passphrase-file passphrase"),
	}
	file := passphraseFlag(c)
	yes := c.Flags().Bool("yes", false, "carry it out")
	others := c.Flags().Bool("remove-others", false, "remove what the backup does not have")
	return s.runs(c, func(ctx context.Context, args []string) error {
		passphrase, err := s.passphrase(ctx, *file, false)
		if err != nil {
			return err
		}
		sealed, err := s.readBackup(args[0])
		if err != nil {
			return err
		}
		wanted := backupcli.Restoration{File: sealed, Passphrase: passphrase, RemoveOthers: *others}
		plan, err := backupcli.Plan(ctx, s.callAPI, wanted)
		if err == nil && *yes {
			plan, err = backupcli.Apply(ctx, s.callAPI, wanted, plan)
		}
		if err != nil {
			return err
		}
		return s.tellPlan(plan)
	})
}

// tellPlan prints what a restore would change, or has. It fails when something is refused.
func (s *session) tellPlan(plan backupform.Plan) error {
	answer, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	err = s.show(answer, "items", func() error {
		if rows := backupcli.Rows(plan); len(rows) > 0 {
			table := s.table(backupcli.Heads...)
			for _, row := range rows {
				table.row(row...)
			}
			if err := table.flush(); err != nil {
				return err
			}
		}
		s.say("%s", backupcli.Summary(plan))
		if lacks := backupcli.Lacks(plan.Unreadable); lacks != "" {
			s.say("%s", lacks)
		}
		if !plan.Applied {
			s.say("nothing is changed yet: with --yes it is")
		}
		return nil
	})
	if refused := plan.Total(backupform.Refuse); err == nil && refused > 0 {
		return &rejectedError{int(refused), "things in the backup"}
	}
	return err
}

func (s *session) readBackup(name string) ([]byte, error) {
	if name == "-" {
		return backupcli.Read(s.Stdin)
	}
	return backupcli.Load(name)
}

func (s *session) callAPI(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
	return s.api.callWithin(ctx, backupTimeout, method, path, nil, header, body)
}

func passphraseFlag(c *cobra.Command) *string {
	return c.Flags().String("passphrase-file", "", "`FILE` that holds the passphrase in its first line")
}

var errNoPassphrase = errors.New("no passphrase: name a file that holds it with --passphrase-file, or set CAROUSEL_PASSPHRASE")

// passphrase never takes it from the command line, where every process of the machine could read
// it. Who sits at a terminal is asked, a second time for one that is new.
func (s *session) passphrase(ctx context.Context, file string, isNew bool) (secret.Value, error) {
	if file != "" {
		return passphraseIn(file)
	}
	if value := s.Getenv("CAROUSEL_PASSPHRASE"); value != "" {
		return secret.New(value), nil
	}
	if !s.Terminal.Typed() {
		return secret.Value{}, errNoPassphrase
	}
	typed, err := s.Terminal.ReadHidden(ctx, "Passphrase: ")
	if err != nil || !isNew {
		return secret.New(typed), err
	}
	again, err := s.Terminal.ReadHidden(ctx, "The same again: ")
	if err == nil && again != typed {
		err = errors.New("the two passphrases differ")
	}
	return secret.New(typed), err
}

func passphraseIn(name string) (secret.Value, error) {
	file, err := os.Open(name)
	if err != nil {
		return secret.Value{}, fmt.Errorf("the passphrase's file: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	line, err := firstLine(bufio.NewReaderSize(file, maxKey))
	if err != nil {
		return secret.Value{}, fmt.Errorf("the passphrase's file: %w", err)
	}
	if line == "" {
		return secret.Value{}, errNoPassphrase
	}
	return secret.New(line), nil
}
