package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"carousel.internal/gateway/internal/chat"
)

const (
	// defaultRows and maxRows bound a list, maxText a text of many bytes in an answer.
	defaultRows = 20
	maxRows     = 100
	maxText     = 500
)

// reader adds a tool that changes nothing.
func reader[In, Out any](server toolbox, name, title, description string, look func(context.Context, In) (Out, error)) {
	add(server, name, title, description, &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: new(false)}, look)
}

// writer adds a tool that changes the pool.
func writer[In, Out any](server toolbox, name, title, description string, destructive bool, do func(context.Context, In) (Out, error)) {
	add(server, name, title, description, &sdk.ToolAnnotations{DestructiveHint: &destructive, IdempotentHint: true, OpenWorldHint: new(false)}, do)
}

// toolbox is a server that tools are added to, and the log of what they should not do.
type toolbox struct {
	*sdk.Server

	log *slog.Logger
}

func add[In, Out any](server toolbox, name, title, description string, hints *sdk.ToolAnnotations, do func(context.Context, In) (Out, error)) {
	hints.Title = title
	sdk.AddTool(server.Server, &sdk.Tool{Name: name, Title: title, Description: description, Annotations: hints},
		func(ctx context.Context, _ *sdk.CallToolRequest, in In) (_ *sdk.CallToolResult, out Out, err error) {
			defer func() { // in a goroutine of the SDK's, where a panic would end the gateway
				if fault := recover(); fault != nil {
					server.log.LogAttrs(ctx, slog.LevelError, "tool panicked", slog.String("tool", name), slog.String("request_id", visitOf(ctx).id),
						slog.String("panic", fmt.Sprint(fault)), slog.String("stack", string(debug.Stack())))
					err = errors.New("internal error")
				}
			}()
			if out, err = do(ctx, in); err != nil {
				err = errors.New(chat.Cut(err.Error(), maxText))
			}
			return nil, out, err
		})
}

// addReaders adds the tools that look.
func (s *Server) addReaders(server toolbox) {
	reader(server, "pool_state", "State of the pool", "How the pool stands, in a sentence and by upstream: how many accounts can serve, what keeps the others, and what all fail for alike. Begin here.", s.poolState)
	reader(server, "list_accounts", "Accounts", "Lists accounts of the pool, filtered and in pages. Secrets are never told.", s.listAccounts)
	reader(server, "get_account", "One account", "Shows one account and what has happened to it: when it cooled or was parked, for which class of failure, and what was undone.", s.getAccount)
	reader(server, "list_models", "Models", "Lists the names that clients may ask for, how many accounts can serve each now, and what keeps the others.", s.listModels)
	reader(server, "explain_model", "Who would serve a model", "Says for a model's name where a request would go now: the route, the targets in order, and for each how many accounts could be chosen and why the others could not.", s.explainModel)
	reader(server, "list_requests", "Requests", "Lists requests of the log, newest first, without their contents.", s.listRequests)
	reader(server, "get_request", "One request", "Shows one request and the timeline of its attempts: which account, how it failed, what that did to the account. Contents are never told.", s.getRequest)
	reader(server, "usage", "Use", "Adds up requests, tokens and cost over a time, by key, account, model, upstream, day or hour.", s.usage)
	reader(server, "whats_left", "What is left", "What the accounts of each upstream have left of their quotas, and when that is used up at the present rate.", s.whatsLeft)
	reader(server, "list_activity", "Activity", "Lists what admins and agents did, and what happened to accounts by itself, newest first. An entry that can be undone has a change_id.", s.listActivity)
	reader(server, "get_change", "One change", "Shows what one change was: what was changed, and for accounts from what to what. The admin token sees that of settings, keys and all else, too.", s.getChange)
}

// addWriters adds the tools that change the pool.
func (s *Server) addWriters(server toolbox) {
	writer(server, "disable_accounts", "Disable accounts", "Takes accounts out of rotation, for good or until a time. Without dry_run: false it only says what would change.", true, s.disableAccounts)
	writer(server, "enable_accounts", "Enable accounts", "Puts disabled accounts back into rotation. Without dry_run: false it only says what would change.", false, s.enableAccounts)
	writer(server, "undo_change", "Undo a change", "Takes back what one change did, as far as nobody has changed it since. What an undo did can't be undone: do it anew. Keys with the scope pool:write undo changes of accounts; the admin token undoes all that can be. Without dry_run: false it only says what would be undone.", true, s.undoChange)
}

// nothing is the input of a tool that asks for none.
type nothing struct{}

// page is which part of a list is wanted.
type page struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"how many at most: 1 to 100, 20 if it is left out"`
	Cursor string `json:"cursor,omitempty" jsonschema:"next of the page before"`
}

// rows is how many are wanted.
func (p page) rows() (string, error) {
	switch {
	case p.Limit == 0:
		return strconv.Itoa(defaultRows), nil
	case p.Limit < 0 || p.Limit > maxRows:
		return "", fmt.Errorf("limit: 1 to %d wanted, not %d", maxRows, p.Limit)
	default:
		return strconv.Itoa(p.Limit), nil
	}
}

// first returns the first rows of a list, and how many more there are.
func first[T any](list []T) (shown []T, more int) {
	shown = list[:min(len(list), maxRows)]
	if shown == nil {
		shown = []T{}
	}
	return shown, len(list) - len(shown)
}

// cut bounds a text.
func cut(text *string) *string {
	if text == nil {
		return nil
	}
	return new(chat.Cut(*text, maxText))
}
