package admincli

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

// context is the group of commands about contexts. None of them asks a gateway anything.
func (s *session) context() *cobra.Command {
	c := group("context", "Names for gateways, each with its address and admin token", s.addContext(), s.useContext(), s.listContexts(), s.removeContexts())
	c.Long = `Contexts are gateways under names of your choice: an address and an admin token each. They are kept
in a file of yours that nobody else can read, and one of them is in use. With one, no command needs
variables of the environment; --context names another for one command.`
	return c
}

// ofContexts makes a command work with contexts.
func (s *session) ofContexts(c *cobra.Command, work func(c *cobra.Command, args []string) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.contextName != "" {
			return misuse("--context is for commands that ask a gateway; here a context is an argument")
		}
		return work(c, args)
	}
	return c
}

func (s *session) addContext() *cobra.Command {
	return s.ofContexts(&cobra.Command{
		Use: "add NAME", Short: "Keep a gateway under a name", Args: exactly(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Keeps the gateway of --url ($CAROUSEL_URL, else this machine's) under a name, in place of what had
it. The admin token is asked for, and not shown, unless it is in the file of --key-file or
$CAROUSEL_KEY_FILE, or in $CAROUSEL_KEY. $AUTH_TOKEN, which is that of the gateway here, is not
taken. The first context is in use at once.`,
		Example: s.examples("context add home", "context add team --url https://carousel.example", "context add team --url https://carousel.example --key-file token.txt"),
	}, func(c *cobra.Command, args []string) error {
		name, address := args[0], cmp.Or(s.url, s.Getenv("CAROUSEL_URL"), s.addressHere())
		if !contextForm.MatchString(name) {
			return misuse("a context's name has up to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit, not %q", name)
		}
		key, err := s.keyToKeep(c.Context())
		if err != nil {
			return err
		}
		if _, err := newClient(address, key); err != nil {
			return err
		}
		if len(address) > maxContextURL || len(key.Reveal()) > maxContextKey {
			return fmt.Errorf("an address may have %d bytes, and a token %d", maxContextURL, maxContextKey)
		}
		err = s.changeContexts(func(kept *keptContexts) error {
			if _, replaced := kept.Known[name]; !replaced && len(kept.Known) >= maxContexts {
				return fmt.Errorf("there are %d contexts, which is the most: remove one first", len(kept.Known))
			}
			kept.Known[name] = keptContext{URL: address, Key: key.Reveal()}
			kept.Current = cmp.Or(kept.Current, name)
			return nil
		})
		if err == nil {
			s.say("%s is kept, for %s", name, withoutPassword(address))
		}
		return err
	})
}

func (s *session) useContext() *cobra.Command {
	return s.ofContexts(&cobra.Command{
		Use: "use NAME", Short: "Have commands ask the gateway of a context", Args: exactly(1), ValidArgsFunction: s.completeContexts,
		Example: s.examples("context use team"),
	}, func(_ *cobra.Command, args []string) error {
		err := s.changeContexts(func(kept *keptContexts) error {
			_, err := kept.find(args[0])
			kept.Current = args[0]
			return err
		})
		if err == nil {
			s.say("%s is in use", args[0])
		}
		if address := s.Getenv("CAROUSEL_URL"); err == nil && address != "" {
			s.say("but CAROUSEL_URL is set, which goes before it: %s", withoutPassword(address))
		}
		return err
	})
}

// shownContext is a context as it may be shown.
type shownContext struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Current bool   `json:"current"`
}

func (s *session) listContexts() *cobra.Command {
	return s.ofContexts(&cobra.Command{
		Use: "list", Short: "List the contexts, without their tokens", Args: exactly(0), ValidArgsFunction: cobra.NoFileCompletions,
		Example: s.examples("context list", "context list -o json"),
	}, func(*cobra.Command, []string) error {
		file, err := s.contextsFile()
		if err != nil {
			return err
		}
		kept, err := readContexts(file)
		if err != nil {
			return err
		}
		shown := []shownContext{}
		for _, name := range kept.names() {
			shown = append(shown, shownContext{name, withoutPassword(kept.Known[name].URL), name == kept.Current})
		}
		answer, err := json.Marshal(map[string]any{"contexts": shown})
		if err != nil {
			return err
		}
		return s.show(answer, "contexts", func() error {
			rows := s.table("NAME", "IN USE", "ADDRESS")
			for _, each := range shown {
				mark := ""
				if each.Current {
					mark = "*"
				}
				rows.row(each.Name, mark, each.URL)
			}
			return rows.flush()
		})
	})
}

func (s *session) removeContexts() *cobra.Command {
	return s.ofContexts(&cobra.Command{
		Use: "remove NAME…", Short: "Forget contexts", Args: oneOrMore(), ValidArgsFunction: s.completeContexts,
		Example: s.examples("context remove team"),
	}, func(_ *cobra.Command, args []string) error {
		err := s.changeContexts(func(kept *keptContexts) error {
			for _, name := range args {
				if _, err := kept.find(name); err != nil {
					return err
				}
				delete(kept.Known, name)
				if kept.Current == name {
					kept.Current = ""
				}
			}
			return nil
		})
		if err == nil {
			s.say("%d removed", len(args))
		}
		return err
	})
}

// completeContexts offers the names of contexts, with their addresses beside them.
func (s *session) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var offered []string
	if file, err := s.contextsFile(); err == nil {
		kept, _ := readContexts(file) // nobody can be told while a shell completes a line
		for _, name := range kept.names() {
			offered = append(offered, described(name, withoutPassword(kept.Known[name].URL)))
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
