package admincli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/keyform"
)

func (s *session) keys() *cobra.Command {
	return group(
		"keys", "The keys of clients",
		s.listKeys(), s.showKey(), s.createKey(), s.editKey(), s.rotateKey(), s.disableKeys(), s.enableKeys(), s.deleteKeys(), s.restoreKeys(),
	)
}

func (s *session) listKeys() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the keys of clients, newest first",
		Example: s.examples("keys list", "keys list --tag team-a --state expired", "keys list -o csv"),
	}
	query := s.query(c).text("search", "q", "only those with `TEXT` in their names").text("tag", "tag", "only those with the `TAG`").
		oneOf("state", "state", "only those in a `STATE`", keyform.Active, keyform.Disabled, keyform.Expired, keyform.Deleted)
	return s.runs(c, func(ctx context.Context, _ []string) error {
		keys, err := s.allKeys(ctx, query.values())
		answer, err := encoded(map[string]any{"keys": keys}, err)
		return showAs(s, answer, err, "keys", func(page keyPage) error {
			rows := s.table("ID", "NAME", "STATE", "TAGS", "MODELS", "LEFT", "EXPIRES", "CREATED")
			for _, k := range page.Keys {
				rows.row(k.ID, k.Name, k.State, strings.Join(k.Tags, ", "), strings.Join(k.Models, ", "), strings.Join(s.left(k), ", "), s.age(k.ExpiresAt), s.age(k.CreatedAt))
			}
			return rows.flush()
		})
	})
}

type keyPage struct {
	Keys []keyform.Key `json:"keys"`
}

// allKeys answers every page, each key as the API wrote it.
func (s *session) allKeys(ctx context.Context, query url.Values) ([]json.RawMessage, error) {
	keys := []json.RawMessage{}
	query.Set("limit", "500")
	for {
		page, err := read[struct {
			Keys []json.RawMessage `json:"keys"`
			Next string            `json:"next"`
		}](s.api.get(ctx, "keys", query))
		if err != nil {
			return nil, err
		}
		keys = append(keys, page.Keys...)
		if page.Next == "" {
			return keys, nil
		}
		query.Set("cursor", page.Next)
	}
}

// left tells each limit in a few words, such as `4.20 of 10.00 usd a month, renewed in 3d`.
func (s *session) left(k keyform.Key) []string {
	var said []string
	for _, each := range k.Left {
		text := each.Left + " of " + each.Amount + " " + each.Unit + inPeriod(each.Period)
		if each.RenewsAt != nil && each.Period != "minute" {
			text += ", renewed " + s.age(each.RenewsAt)
		}
		said = append(said, text)
	}
	return said
}

func inPeriod(period string) string {
	switch period {
	case "at_once":
		return " at a time"
	case "total":
		return " in all"
	default:
		return " a " + period
	}
}

func (s *session) showKey() *cobra.Command {
	c := &cobra.Command{
		Use: "show KEY", Short: "Show one key, and what is left of its limits", Args: exactly(1), ValidArgsFunction: s.completeKeys,
		Example: s.examples("keys show CI"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		id, err := s.keyID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.get(ctx, path("keys", id), nil)
		return showAs(s, answer, err, "", s.keyFields)
	})
}

func (s *session) keyFields(k keyform.Key) error {
	pairs := []string{
		"id", k.ID, "name", k.Name, "tags", strings.Join(k.Tags, ", "), "state", k.State, "secret", k.MaskedSecret,
		"models", orAll(k.Models), "networks", orAll(k.Networks), "scopes", strings.Join(k.Scopes, ", "), "expires", cmp.Or(s.age(k.ExpiresAt), "never"), "created", s.age(k.CreatedAt), "changed", s.age(k.UpdatedAt),
	}
	if k.OldSecretUntil != nil {
		pairs = append(pairs, "old secret ends", s.age(k.OldSecretUntil))
	}
	for _, text := range s.left(k) {
		pairs = append(pairs, "left", text)
	}
	return s.fields(pairs...)
}

func orAll(texts []string) string {
	if len(texts) == 0 {
		return "all"
	}
	return strings.Join(texts, ", ")
}

// keyID answers the id of the key that is named by its id or its name.
func (s *session) keyID(ctx context.Context, name string) (string, error) {
	_, err := s.api.get(ctx, path("keys", name), nil)
	if !notFound(err) {
		return name, err
	}
	keys, err := s.allKeys(ctx, values("q", name))
	if err != nil {
		return "", err
	}
	var found []string
	for _, each := range keys {
		k, err := read[keyform.Key](each, nil)
		if err != nil {
			return "", err
		}
		if k.Name == name {
			found = append(found, k.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no key has the id or the name %q", name)
	default:
		return "", fmt.Errorf("several keys have the name %q: %s; name one by its id", name, strings.Join(found, ", "))
	}
}

func (s *session) createKey() *cobra.Command {
	c := &cobra.Command{
		Use: "create", Short: "Make a key and print its secret, this once",
		Example: s.examples("keys create --name CI --expires 90d", "keys create --name \"Anna's laptop\" --model 'claude-*' --rpm 60 --budget usd:20/month@Europe/Berlin"),
	}
	change := newKeyChange(c.Flags())
	return s.runs(c, func(ctx context.Context, _ []string) error {
		body, err := change.body(s.Now())
		if err != nil {
			return err
		}
		if body["name"] == nil {
			return misuse("a name for the key is missing: --name NAME")
		}
		answer, err := s.api.send(ctx, http.MethodPost, "keys", body)
		return showAs(s, answer, err, "", s.printSecret)
	})
}

func (s *session) editKey() *cobra.Command {
	c := &cobra.Command{
		Use: "edit KEY", Short: "Change what is named of a key", Args: exactly(1), ValidArgsFunction: s.completeKeys,
		Long: `Changes what is named of a key. Tags, models, networks, scopes and budgets are replaced as a
whole, by none with an empty one; a limit of 0 is none.`,
		Example: s.examples("keys edit CI --expires never --rpm 0", "keys edit CI --budget= --model 'gpt-*' --model 'claude-*'"),
	}
	change := newKeyChange(c.Flags())
	return s.runs(c, func(ctx context.Context, args []string) error {
		body, err := change.body(s.Now())
		if err != nil {
			return err
		}
		id, err := s.keyID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.send(ctx, http.MethodPatch, path("keys", id), body)
		return showAs(s, answer, err, "", s.keyFields)
	})
}

func (s *session) rotateKey() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate KEY", Short: "Make another secret and print it, this once", Args: exactly(1), ValidArgsFunction: s.completeKeys,
		Long:    "Makes another secret for a key and prints it, this once. The old one ends, or goes on for a while.",
		Example: s.examples("keys rotate CI", "keys rotate CI --keep-old 24h"),
	}
	keep := c.Flags().String("keep-old", "", "the `TIME` that the old secret goes on, such as 24h or 7d")
	return s.runs(c, func(ctx context.Context, args []string) error {
		body := map[string]any{}
		if *keep != "" {
			length, err := lengthOf(*keep)
			if err != nil {
				return misuse("--keep-old: %w", err)
			}
			body["keep_old_for"] = length.String()
		}
		id, err := s.keyID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.send(ctx, http.MethodPost, path("keys", id, "rotate"), body)
		return showAs(s, answer, err, "", s.printSecret)
	})
}

// newSecret is a key with a secret that was made for it.
type newSecret struct {
	Key    keyform.Key `json:"key"`
	Secret string      `json:"secret"`
}

func (s *session) printSecret(made newSecret) error {
	if err := s.keyFields(made.Key); err != nil {
		return err
	}
	s.say("\nThis is the secret. Nobody can show it again, so keep it now:\n\n%s", made.Secret)
	return nil
}

func (s *session) disableKeys() *cobra.Command {
	c := &cobra.Command{Use: "disable KEY…", Short: "Refuse requests with keys", Example: s.examples("keys disable CI")}
	return s.eachKey(c, "disabled", s.switchKey(true))
}

func (s *session) enableKeys() *cobra.Command {
	c := &cobra.Command{Use: "enable KEY…", Short: "Take requests with keys again", Example: s.examples("keys enable CI")}
	return s.eachKey(c, "enabled", s.switchKey(false))
}

func (s *session) switchKey(disabled bool) deed {
	return func(ctx context.Context, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodPatch, path("keys", id), map[string]any{"disabled": disabled})
	}
}

func (s *session) deleteKeys() *cobra.Command {
	c := &cobra.Command{Use: "delete KEY…", Short: "Delete keys", Example: s.examples("keys delete CI")}
	return s.eachKey(c, "deleted; `"+s.typed("keys restore")+"` undoes it for 24 hours", func(ctx context.Context, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodDelete, path("keys", id), nil)
	})
}

func (s *session) restoreKeys() *cobra.Command {
	c := &cobra.Command{Use: "restore ID…", Short: "Undo deletions of keys, within 24 hours", Args: oneOrMore(), Example: s.examples("keys restore abcdefghijklmnop")}
	return s.runs(c, func(ctx context.Context, ids []string) error {
		return s.forEach(ctx, ids, "restored", func(ctx context.Context, id string) ([]byte, error) {
			return s.api.send(ctx, http.MethodPost, path("keys", id, "restore"), nil)
		})
	})
}

// eachKey makes a command do one thing to every key that is named. All of them are looked up before
// the first is touched.
func (s *session) eachKey(c *cobra.Command, done string, do deed) *cobra.Command {
	c.Args, c.ValidArgsFunction = oneOrMore(), s.completeKeys
	return s.runs(c, func(ctx context.Context, names []string) error {
		return s.forEachNamed(ctx, names, s.keyID, done, do)
	})
}
