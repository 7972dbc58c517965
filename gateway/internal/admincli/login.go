package admincli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"time"
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
	TokenID   *string    `json:"token_id"`
	URL       string     `json:"url"`
	State     string     `json:"state"`
	Detail    *string    `json:"detail"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (l login) over() bool { return l.State != "pending" }

func logIn(flags *flag.FlagSet) run {
	upstream, alias := flags.String("upstream", "", ""), flags.String("alias", "", "")
	anew, noWait := flags.String("token", "", ""), flags.Bool("no-wait", false, "")
	proxy := newProxyFlags(flags)
	return func(ctx context.Context, s *session, _ []string) error {
		body := map[string]string{"upstream": *upstream, "alias": *alias}
		if *anew != "" {
			id, err := s.tokenID(ctx, *anew)
			if err != nil {
				return err
			}
			body["token_id"] = id
		}
		url, err := proxy.read(s.Getenv)
		if err != nil {
			return err
		}
		if url != "" {
			body["proxy"] = url
		}
		answer, err := s.api.send(ctx, http.MethodPost, "logins"+proxy.query(), body)
		started, err := read[login](answer, err)
		if err != nil {
			return err
		}
		if *noWait {
			return s.printLogin(answer, started)
		}
		_, _ = fmt.Fprintf(s.Stderr, "Log in here, in any browser, %s:\n\n  %s\n\nWaiting. Ctrl-C cancels.\n", s.untilWhen(started), printable(started.URL))
		return s.await(ctx, started)
	}
}

// untilWhen tells until when a link is good.
func (s *session) untilWhen(l login) string {
	if l.ExpiresAt == nil {
		return "soon"
	}
	return "within " + rough(l.ExpiresAt.Sub(s.Now()))
}

func (s *session) printLogin(answer []byte, l login) error {
	if s.json {
		return s.printJSON(answer)
	}
	return fields(s.Stdout, "id", l.ID, "upstream", l.Upstream, "state", l.State, "link", l.URL, "expires", s.age(l.ExpiresAt), "token", text(l.TokenID))
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
	if s.json {
		return s.printJSON(answer)
	}
	made, err := s.api.get(ctx, path("tokens", *l.TokenID), nil)
	return s.printToken(made, err)
}
