package adminapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What admins did and what happened by itself is one list, each with what is known of it.
func TestActivity(t *testing.T) {
	t.Parallel()
	s := newStore()
	w := send(t, s, "GET", "/admin/api/activity?source=carousel&actor=me&kind=parked&account=anna&from=2026-11-22T12:00:00Z&limit=5&cursor=x", key, "")
	want := &tokenstorev1.ListActivityRequest{
		Source: tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL, Actor: "me", Kind: "parked", Account: "anna",
		From: timestamppb.New(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), Limit: 5, Cursor: "x",
	}
	if diff := cmp.Diff(proto.Message(want), s.asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	var got struct {
		Activities []map[string]map[string]any `json:"activities"`
		Next       string                      `json:"next"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Next != "7-0.cursor" || len(got.Activities) != 2 {
		t.Fatalf("%s, %v", w.Body, err)
	}
	at := moment.AsTime().Format(time.RFC3339Nano)
	event := map[string]any{
		"at": at, "kind": "cooling", "token_id": "t2", "upstream": "cursor", "token_name": "work", "class": "auth", "model": nil, "until": at, "request_id": "r1", "by": nil,
	}
	if diff := cmp.Diff(event, got.Activities[0]["event"]); diff != "" {
		t.Error(diff)
	}
	if got.Activities[0]["entry"] != nil || got.Activities[1]["event"] != nil || got.Activities[1]["entry"]["action"] != "tokens exported" {
		t.Errorf("%v", got.Activities)
	}
	if w := send(t, s, "GET", "/admin/api/activity?source=robots", key, ""); w.Code != 400 || !strings.Contains(w.Body.String(), "both, carousel, people") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What a request changed is shown from what to what, or it is said why that is not known.
func TestAChangeIsShown(t *testing.T) {
	t.Parallel()
	s := newStore()
	w := send(t, s, "GET", "/admin/api/audit/r1", key, "")
	if want := `{"kind":"token","id":"t2","name":"t2","deed":"changed","field":"enabled","before":"true","after":"false"}`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{}}, s.answers...)
	if w := send(t, s, "GET", "/admin/api/audit/r9", key, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "1,000 later changes") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// An edit of a token is kept with what it was and what it became, without what may be secret.
func TestAnEditOfATokenCanBeUndone(t *testing.T) {
	t.Parallel()
	before := &tokenstorev1.Token{Id: "t2", Alias: "old", Cap: 2, Tags: []string{"a"}, Enabled: true}
	after := &tokenstorev1.Token{Id: "t2", Alias: "new", Cap: 2, Tags: []string{"a"}, Enabled: false}
	s := newStore()
	s.answers = append([]proto.Message{&tokenstorev1.GetTokenResponse{Token: before}, &tokenstorev1.UpdateTokenResponse{Token: after}}, s.answers...)
	send(t, s, "PATCH", "/admin/api/tokens/t2", key, `{"alias":"new","cap":2,"enabled":false,"checksum":""}`)
	want := &tokenstorev1.AuditUndo{
		Disabled: []string{"t2"}, Names: map[string]string{"t2": "new"},
		Tokens: []*tokenstorev1.FormerToken{{Id: "t2", Fields: []string{"alias"}, Edit: &tokenstorev1.TokenEdit{Alias: "old"}, Became: &tokenstorev1.TokenEdit{Alias: "new"}}},
	}
	if len(s.kept) != 1 {
		t.Fatal(s.kept)
	}
	if diff := cmp.Diff(want, s.kept[0].GetUndo(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	s = newStore()
	send(t, s, "PATCH", "/admin/api/tokens/t2", key, `{"checksum":""}`)
	if len(s.kept) != 1 || s.kept[0].GetUndo() != nil {
		t.Errorf("a checksum: %v", s.kept)
	}
}

// An edit is taken back unless somebody has changed the same since.
func TestAnEditOfATokenIsTakenBack(t *testing.T) {
	t.Parallel()
	former := &tokenstorev1.FormerToken{
		Id: "t2", Fields: []string{"alias", "cap"},
		Edit: &tokenstorev1.TokenEdit{Alias: "old"}, Became: &tokenstorev1.TokenEdit{Alias: "new", Cap: 4},
	}
	for name, c := range map[string]struct {
		now  *tokenstorev1.Token
		says string
	}{
		"as it became":      {&tokenstorev1.Token{Id: "t2", Alias: "new", Cap: 4, Version: 7}, `"undone":1`},
		"something else":    {&tokenstorev1.Token{Id: "t2", Alias: "new", Cap: 4, Weight: 9, Version: 7}, `"undone":1`},
		"the same again":    {&tokenstorev1.Token{Id: "t2", Alias: "newer", Cap: 4, Version: 8}, `{"what":"token t2","reason":"it has been changed since"}`},
		"it is as it was":   {&tokenstorev1.Token{Id: "t2", Alias: "old", Version: 8}, "changed since"},
		"half taken back":   {&tokenstorev1.Token{Id: "t2", Alias: "new", Version: 8}, "changed since"},
		"another one's now": {&tokenstorev1.Token{Id: "t2", Cap: 4, Version: 8}, "changed since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.answers = append([]proto.Message{
				&tokenstorev1.GetTokenResponse{Token: c.now}, &tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{Tokens: []*tokenstorev1.FormerToken{former}}}},
			}, s.answers...)
			w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, "")
			if w.Code != 200 || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			asked, updated := s.asked.(*tokenstorev1.UpdateTokenRequest)
			if updated != (c.says == `"undone":1`) {
				t.Fatalf("asked %v", s.asked)
			}
			want := &tokenstorev1.UpdateTokenRequest{Id: "t2", Alias: "old", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"alias", "cap"}}, ExpectedVersion: 7}
			if diff := cmp.Diff(want, asked, protocmp.Transform()); updated && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A token that a later change has switched stays, whatever it is now.
func TestASwitchThatIsOvertakenStays(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{
		Undo: []*tokenstorev1.AuditUndo{{Disabled: []string{"t2"}}}, SwitchedSince: []string{"t2"},
	}}, s.answers...)
	w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, "")
	if !strings.Contains(w.Body.String(), `{"what":"token t2","reason":"a later change has enabled or disabled it"}`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Tokens that are deleted at once are kept with what people call them.
func TestDeletedTokensKeepTheirNames(t *testing.T) {
	t.Parallel()
	s := newStore()
	send(t, s, "POST", "/admin/api/tokens/bulk", key, `{"action":"delete","ids":["t2"]}`)
	send(t, s, "DELETE", "/admin/api/tokens/t2", key, "")
	if len(s.kept) != 2 {
		t.Fatal(s.kept)
	}
	for _, entry := range s.kept {
		if diff := cmp.Diff(&tokenstorev1.AuditUndo{Deleted: []string{"t2"}, Names: map[string]string{"t2": "work"}}, entry.GetUndo(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", entry.GetAction(), diff)
		}
	}
}

// Of many tokens the names are looked up in the list; an entry names the first.
func TestManyTokensAreNamed(t *testing.T) {
	t.Parallel()
	ids := make([]string, 0, 22)
	for i := range 21 {
		ids = append(ids, fmt.Sprintf("u%02d", i))
	}
	ids = append(ids, "t2")
	body, err := json.Marshal(map[string]any{"action": "delete", "ids": ids})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore()
	send(t, s, "POST", "/admin/api/tokens/bulk", key, string(body))
	if len(s.kept) != 1 || s.kept[0].GetDetails()["names"] != "work, u00, u01, u02, u03, …" || len(s.kept[0].GetUndo().GetNames()) != 1 || s.kept[0].GetUndo().GetNames()["t2"] != "work" {
		t.Errorf("kept %v", s.kept)
	}
}
