package admincli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// editTokens makes the command that gives many tokens the same.
func (s *session) editTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "edit-many [TOKEN…]", Short: "Give many tokens the same tags, cap or weight",
		Long: `Gives the tokens that are named, or all that the flags choose, the same tags, cap or weight, as one
change, which ` + "`audit undo`" + ` undoes. What is not said stays as it is.`,
		Example: s.examples("tokens edit-many --upstream deepseek --cap 4", "tokens edit-many work spare --add-tags night --weight 2"),
		Args:    between(0, -1), ValidArgsFunction: s.completeTokens,
	}
	query, edit := s.tokenQuery(c), newTokenEdit(c.Flags())
	return s.runs(c, func(ctx context.Context, names []string) error {
		changes := edit.body()
		if len(changes) == 0 {
			return misuse("say what is to change: --tags, --add-tags, --remove-tags, --cap or --weight")
		}
		ids, err := s.chosen(ctx, names, query.values())
		if err != nil {
			return err
		}
		return s.inBulk(ctx, "edit", ids, func(body map[string]any) { body["edit"] = changes })
	})
}

// tokenEdit are the flags that many tokens can be given alike.
type tokenEdit struct {
	flags             *pflag.FlagSet
	tags, more, fewer *string
	capacity, weight  *uint
}

func newTokenEdit(flags *pflag.FlagSet) tokenEdit {
	return tokenEdit{
		flags: flags, tags: flags.String("tags", "", "all `TAGS` that they have then, with commas between; none when it is empty"),
		more: flags.String("add-tags", "", "`TAGS` that they have besides"), fewer: flags.String("remove-tags", "", "`TAGS` that they have no more"),
		capacity: flags.Uint("cap", 0, "`N` requests at a time at most; 0: the upstream's"), weight: flags.Uint("weight", 0, "the share is `N` times that of a token of weight 1"),
	}
}

// body has what was named on the command line, and nothing else.
func (e tokenEdit) body() map[string]any {
	body := map[string]any{}
	e.flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "tags":
			body["tags"] = list(*e.tags)
		case "add-tags":
			body["add_tags"] = list(*e.more)
		case "remove-tags":
			body["remove_tags"] = list(*e.fewer)
		case "cap":
			body["cap"] = *e.capacity
		case "weight":
			body["weight"] = *e.weight
		}
	})
	return body
}
