package admincli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

const (
	// loginPause is how long to wait between two looks at a login.
	loginPause = 2 * time.Second
	// cancelTimeout bounds the cancellation of a login that was interrupted.
	cancelTimeout = 5 * time.Second
	// maxLookFailures is how many looks in a row may fail before the wait is given up.
	maxLookFailures = 30
)

// login is one of the admin API, as far as people are told of it.
type login struct {
	ID        string     `json:"id"`
	Upstream  string     `json:"upstream"`
	Alias     string     `json:"alias"`
	TokenID   *string    `json:"token_id"`
	URL       string     `json:"url"`
	State     string     `json:"state"`
	Detail    *string    `json:"detail"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (l login) over() bool { return l.State != "pending" }

func (s *session) login() *cobra.Command {
	c := &cobra.Command{
		Use: "login", Short: "Log in to an upstream in the browser",
		Long: `Prints a link, waits until a person has logged in there, and shows the token. Interrupting it
cancels the login.`,
		Example: s.examples("login --alias work", "login --token work", "login --upstream cursor --no-wait -o json"),
	}
	flags := c.Flags()
	upstream, alias := flags.String("upstream", "", "the upstream `NAME`; cursor by default"), flags.String("alias", "", "what you call the token (`ALIAS`)")
	anew, noWait := flags.String("token", "", "the `TOKEN` that is renewed"), flags.Bool("no-wait", false, "only print the link")
	proxy := newProxyFlags(flags)
	return s.runs(c, func(ctx context.Context, _ []string) error {
		body := map[string]string{"upstream": *upstream, "alias": *alias}
		url, err := proxy.read(ctx, s)
		if err != nil {
			return err
		}
		if url != "" {
			body["proxy"] = url
		}
		if *anew != "" {
			if body["token_id"], err = s.tokenID(ctx, *anew); err != nil {
				return err
			}
		}
		answer, err := s.api.send(ctx, http.MethodPost, "logins"+proxy.query(), body)
		started, err := read[login](answer, err)
		if err != nil {
			return err
		}
		if *noWait {
			return s.show(answer, "", func() error { return s.loginFields(started) })
		}
		_, _ = fmt.Fprintf(s.Stderr, "Log in here, in any browser, %s:\n\n  %s\n\nWaiting. Ctrl-C cancels.\n", s.untilWhen(started), printable(started.URL))
		return s.await(ctx, started)
	})
}

// untilWhen tells until when a link is good.
func (s *session) untilWhen(l login) string {
	if l.ExpiresAt == nil {
		return "soon"
	}
	return "within " + rough(l.ExpiresAt.Sub(s.Now()))
}

func (s *session) loginFields(l login) error {
	return s.fields("id", l.ID, "upstream", l.Upstream, "state", l.State, "link", l.URL, "expires", s.age(l.ExpiresAt), "token", text(l.TokenID), "detail", text(l.Detail))
}

// await looks at a login until it is over. Whoever interrupts it cancels the login.
func (s *session) await(ctx context.Context, started login) error {
	pause := time.NewTicker(s.LoginPause)
	defer pause.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return s.abandon(ctx, started)
		case <-pause.C:
		}
		answer, err := s.api.get(ctx, path("logins", started.ID), nil)
		now, err := read[login](answer, err)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if failures++; notFound(err) || failures == maxLookFailures {
				return err
			}
		case now.over():
			return s.tellEnd(ctx, answer, now)
		default:
			failures = 0
		}
	}
}

// abandon cancels a login that nobody waits for any more.
func (s *session) abandon(ctx context.Context, started login) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	if _, err := s.api.send(ctx, http.MethodDelete, path("logins", started.ID), nil); err != nil {
		return fmt.Errorf("the login %s could not be cancelled; its link ends by itself: %w", started.ID, err)
	}
	return errors.New("the login is cancelled")
}

func (s *session) tellEnd(ctx context.Context, answer []byte, l login) error {
	if l.State != "done" || l.TokenID == nil {
		if l.Detail != nil {
			return fmt.Errorf("the login is %s: %s", l.State, *l.Detail)
		}
		return fmt.Errorf("the login is %s", l.State)
	}
	if s.form != asTable {
		return s.show(answer, "", nil)
	}
	made, err := s.api.get(ctx, path("tokens", *l.TokenID), nil)
	return s.printToken(made, err)
}

func (s *session) logins() *cobra.Command {
	return group("logins", "The logins that are under way or over", s.listLogins(), s.showLogin(), s.cancelLogins())
}

func (s *session) listLogins() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List logins", Example: s.examples("logins list")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "logins", nil)
		return showAs(s, answer, err, "logins", func(list struct {
			Logins []login `json:"logins"`
		},
		) error {
			rows := s.table("ID", "UPSTREAM", "ALIAS", "STATE", "EXPIRES", "TOKEN", "DETAIL")
			for _, l := range list.Logins {
				rows.row(l.ID, l.Upstream, l.Alias, l.State, s.age(l.ExpiresAt), text(l.TokenID), text(l.Detail))
			}
			return rows.flush()
		})
	})
}

func (s *session) showLogin() *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show one login, with its link", Args: exactly(1), Example: s.examples("logins show l3kq8v1m5c0x2b7n")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.get(ctx, path("logins", args[0]), nil)
		return showAs(s, answer, err, "", s.loginFields)
	})
}

func (s *session) cancelLogins() *cobra.Command {
	c := &cobra.Command{Use: "cancel ID…", Short: "Cancel logins", Args: oneOrMore(), Example: s.examples("logins cancel l3kq8v1m5c0x2b7n")}
	return s.runs(c, func(ctx context.Context, ids []string) error {
		return s.forEach(ctx, ids, "cancelled", func(ctx context.Context, id string) ([]byte, error) {
			return s.api.send(ctx, http.MethodDelete, path("logins", id), nil)
		})
	})
}
