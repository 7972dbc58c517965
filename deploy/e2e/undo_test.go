package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// bulkAnswer is what POST /admin/api/tokens/bulk says.
type bulkAnswer struct {
	Change string `json:"change"`
	Count  int    `json:"count"`
	Failed int    `json:"failed"`
}

func bulk(t *testing.T, gateway *stack.Gateway, action string, ids []string) (done bulkAnswer) {
	t.Helper()
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/bulk", map[string]any{"action": action, "ids": ids}).JSON(t, &done)
	return done
}

// undoReport is what POST /admin/api/audit/{id}/undo says.
type undoReport struct {
	Undone   int `json:"undone"`
	Failed   int `json:"failed"`
	Failures []struct {
		What   string `json:"what"`
		Reason string `json:"reason"`
	} `json:"failures"`
}

func undo(t *testing.T, gateway *stack.Gateway, change string) (said undoReport) {
	t.Helper()
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/audit/"+change+"/undo", nil).JSON(t, &said)
	return said
}

// lastChange is the request of the newest action of that name.
func lastChange(t *testing.T, gateway *stack.Gateway, action string) string {
	t.Helper()
	var listed struct {
		Entries []struct {
			Action    string `json:"action"`
			RequestID string `json:"request_id"`
			Undoable  bool   `json:"undoable"`
		} `json:"entries"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/audit", nil).JSON(t, &listed)
	for _, entry := range listed.Entries {
		if entry.Action == action && entry.Undoable {
			return entry.RequestID
		}
	}
	t.Fatalf("nobody did %q", action)
	return ""
}

// idsOf are the ids of all tokens, in order.
func idsOf(t *testing.T, gateway *stack.Gateway) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Tokens []stack.Token `json:"tokens"`
			Next   string        `json:"next"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?limit=1000&cursor="+cursor, nil).JSON(t, &page)
		for _, token := range page.Tokens {
			ids = append(ids, token.ID)
		}
		if cursor = page.Next; cursor == "" {
			slices.Sort(ids)
			return ids
		}
	}
}

// 3,000 tokens that were deleted at once come back at once; what could not be undone is
// named with the reason.
func TestUndoOfAMassDelete(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	here, there := s.Gateways[0], s.Gateways[1]
	const n = 3000
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, "mass-%d::sk-mass-delete-token-%08d\n", i, i)
	}
	here.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import", map[string]any{"content": file.String(), "format": "token", "upstream": "openai"})
	ids := idsOf(t, here)
	if len(ids) != n {
		t.Fatalf("%d tokens, want %d", len(ids), n)
	}
	began := time.Now()
	done := bulk(t, here, "delete", ids)
	t.Logf("deleted %d in %s", done.Count, time.Since(began).Round(time.Millisecond))
	if done.Count != n || done.Failed != 0 || len(idsOf(t, there)) != 0 {
		t.Fatalf("deleted %+v", done)
	}
	there.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+ids[0]+"/restore", nil)
	began = time.Now()
	said := undo(t, there, done.Change)
	t.Logf("undone %d in %s", said.Undone, time.Since(began).Round(time.Millisecond))
	if said.Undone != n-1 || said.Failed != 1 || !strings.Contains(said.Failures[0].What, ids[0]) || !strings.Contains(said.Failures[0].Reason, "restored already") {
		t.Errorf("report %+v", said)
	}
	if back := idsOf(t, here); !slices.Equal(back, ids) {
		t.Errorf("%d tokens are back", len(back))
	}
	if again := undo(t, here, done.Change); again.Undone != 0 || again.Failed != n || len(again.Failures) != 100 {
		t.Errorf("a second time: %d undone, %d not, %d named", again.Undone, again.Failed, len(again.Failures))
	}
}

// What somebody has changed since stays as it is.
func TestUndoLeavesWhatWasChangedSince(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 3, 0)
	ids := []string{tokens[0].ID, tokens[1].ID, tokens[2].ID}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+ids[2], map[string]any{"enabled": false})
	done := bulk(t, gateway, "disable", ids)
	if done.Count != 2 { // one was disabled before: its undo would change it
		t.Fatalf("disabled %+v", done)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+ids[1], map[string]any{"enabled": true})
	if said := undo(t, gateway, done.Change); said.Undone != 1 || said.Failed != 1 || !strings.Contains(said.Failures[0].Reason, "a later change has enabled or disabled it") {
		t.Errorf("report %+v", said)
	}
	if third := gateway.Tokens(t)[2]; third.Enabled {
		t.Error("a token that the change was not about is enabled")
	}

	set := func(body map[string]any) {
		t.Helper()
		gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", body)
	}
	set(map[string]any{"max_attempts": 7, "queue_wait_ms": 11})
	set(map[string]any{"max_attempts": 8, "queue_wait_ms": 12})
	change := lastChange(t, gateway, "settings changed")
	set(map[string]any{"queue_wait_ms": 13})
	if said := undo(t, gateway, change); said.Undone != 1 || said.Failed != 1 || said.Failures[0].What != "setting queue_wait_ms" || !strings.Contains(said.Failures[0].Reason, "changed since, by api") {
		t.Errorf("report %+v", said)
	}
	if now := settingsNow(t, gateway); now["max_attempts"] != 7.0 || now["queue_wait_ms"] != 13.0 {
		t.Errorf("settings %v", now)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/settings/reset", map[string]any{"names": []string{"max_attempts"}})
	if said := undo(t, gateway, lastChange(t, gateway, "settings reset")); said.Undone != 1 || settingsNow(t, gateway)["max_attempts"] != 7.0 {
		t.Errorf("the reset: %+v", said)
	}

	gateway.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/pages", map[string]any{"path": "/about", "type": "text", "content": "first"})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/pages", map[string]any{"path": "/about", "type": "text", "content": "second"})
	if said := undo(t, gateway, lastChange(t, gateway, "page changed")); said.Undone != 1 || said.Failed != 0 {
		t.Errorf("the page: %+v", said)
	}
	if pages := string(gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/pages", nil).Body); !strings.Contains(pages, `"first"`) {
		t.Errorf("pages %s", pages)
	}
	gateway.MustAdmin(t, http.StatusNotFound, http.MethodPost, "/admin/api/audit/never/undo", nil)
}

func settingsNow(t *testing.T, gateway *stack.Gateway) (now map[string]any) {
	t.Helper()
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/settings", nil).JSON(t, &now)
	return now
}

// An admin deletes all tokens and changes a setting, goes away, and takes both back on the
// activity page.
func TestUndoInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 5, 0)
	tab := login(t, gateway, "/admin/tokens")
	tab.Click("#select-all")
	tab.Click("[data-bulk=delete]")
	tab.See("#toasts", "Tokens deleted: 5")
	tab.Go(gateway.URL + "/admin/settings")
	tab.Type("#max_attempts", "9")
	tab.Follow("#settings-save")
	tab.See("#setting-max_attempts .change", "pages")
	tab.Expect("404")
	tab.Go(gateway.URL + "/admin/tokens/" + tokens[0].ID)
	tab.See("h1", "This token is gone")

	tab.Go(gateway.URL + "/admin/activity")
	if rows := browser.Eval[int](tab, "[...document.querySelectorAll('#audit tbody tr')].filter((row) => row.textContent.includes('Tokens deleted')).length"); rows != 1 {
		t.Errorf("the deletion has %d rows", rows)
	}
	for _, each := range []struct{ row, undone string }{{"Settings changed", "Changes undone: 1"}, {"Tokens deleted", "Changes undone: 5"}} {
		browser.Eval[any](tab, fmt.Sprintf("[...document.querySelectorAll('#audit tbody tr')].find((row) => row.textContent.includes(%q)).querySelector('[data-undo]').click()", each.row))
		tab.See("#toasts", each.undone)
	}
	tab.Until("both are marked", "document.querySelectorAll('#audit .what .pill').length === 2")
	if back := gateway.Tokens(t); len(back) != 5 {
		t.Errorf("%d tokens are back", len(back))
	}
	if now := settingsNow(t, gateway); now["max_attempts"] == 9.0 {
		t.Error("the setting is not as it was")
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}
