package adminapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// somePrices are those that the store has, newPrices what it answers to a change.
var (
	byHand     = &tokenstorev1.Price{Match: "m-1", Upstream: "vendor", Input: proto.Uint64(3_000_000), Output: proto.Uint64(15_500_000), CacheRead: proto.Uint64(3625)}
	imported   = &tokenstorev1.Price{Match: "m-2", Input: proto.Uint64(0), Source: "tsv"}
	somePrices = &tokenstorev1.Prices{Prices: []*tokenstorev1.Price{byHand, imported}, Version: 4}
	newPrices  = &tokenstorev1.Prices{Prices: []*tokenstorev1.Price{byHand}, Version: 5}
)

const byHandObject = `{"match":"m-1","upstream":"vendor","input_per_million":"3.00","output_per_million":"15.50","cache_read_per_million":"0.003625",` +
	`"cache_write_per_million":null,"cache_write_hour_per_million":null,"reasoning_per_million":null,"source":""}`

type priceList struct {
	Prices  []json.RawMessage `json:"prices"`
	BuiltIn []struct {
		Match           string  `json:"match"`
		InputPerMillion *string `json:"input_per_million"`
	} `json:"built_in"`
	Version uint64 `json:"version"`
}

func readPrices(t *testing.T, w answered) priceList {
	t.Helper()
	var list priceList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return list
}

func TestPrices(t *testing.T) {
	t.Parallel()
	w := send(t, newStore(), "GET", "/admin/api/prices", key, "")
	list := readPrices(t, w)
	if list.Version != 4 || w.Header().Get("ETag") != `"4"` || len(list.Prices) != 2 || string(list.Prices[0]) != byHandObject {
		t.Errorf("ETag %s, %s", w.Header().Get("ETag"), w.Body)
	}
	known := false
	for _, each := range list.BuiltIn {
		known = known || each.Match == "claude-sonnet-4-5" && *each.InputPerMillion == "3.00"
	}
	if !known {
		t.Error("no claude-sonnet-4-5 at 3.00 is built in")
	}
}

// What is read may be sent as it is: nothing of it is lost.
func TestPutPrices(t *testing.T) {
	t.Parallel()
	s := newStore()
	read := readPrices(t, send(t, s, "GET", "/admin/api/prices", key, ""))
	body, err := json.Marshal(map[string]any{"prices": read.Prices})
	if err != nil {
		t.Fatal(err)
	}
	list := readPrices(t, send(t, s, "PUT", "/admin/api/prices", key, string(body), "If-Match", `"4"`))
	if list.Version != 5 || len(list.Prices) != 1 {
		t.Errorf("%+v", list)
	}
	if diff := cmp.Diff(&tokenstorev1.PutPricesRequest{Prices: somePrices.GetPrices(), ExpectedVersion: 4}, s.asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	undo := &tokenstorev1.FormerPrices{Prices: somePrices.GetPrices(), Became: 5}
	if len(s.kept) != 1 || s.kept[0].GetAction() != "prices put" || s.kept[0].GetDetails()["count"] != "1" || !proto.Equal(s.kept[0].GetUndo().GetPrices(), undo) {
		t.Errorf("audit: %v", s.kept)
	}
	send(t, s, "PUT", "/admin/api/prices", key, `{"prices":[]}`)
	if diff := cmp.Diff(&tokenstorev1.PutPricesRequest{}, s.asked, protocmp.Transform()); diff != "" {
		t.Errorf("emptied without a version: %s", diff)
	}
}

func TestBadPrices(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`:            "prices: a list wanted",
		`{"prices":{}}`: "prices: a list wanted, not an object",
		`{"prices":[{"match":"m","input_per_million":3}]}`:                                              "a string wanted, not a number",
		`{"prices":[{"match":"m","input":"3"}]}`:                                                        "there is no such field",
		`{"prices":[{"match":"a","input_per_million":"1"},{"match":"m","reasoning_per_million":"-1"}]}`: "prices[1].reasoning_per_million: ",
		`{"prices":[{"match":"m","input_per_million":"0.0000001"}]}`:                                    "at most 6 decimals",
	} {
		s := newStore()
		w := send(t, s, "PUT", "/admin/api/prices", key, body)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		if _, put := s.asked.(*tokenstorev1.PutPricesRequest); put {
			t.Errorf("%s is stored", body)
		}
	}
}

const priceFile = "model\tupstream\tinput\toutput\n" + // byHand stays, imported goes, m-3 is new
	"m-1\tvendor\t1\t1\n" +
	"m-3\t\t0.5\t0.0000001\n" +
	"m-4\t\t\t\n"

func TestImportPrices(t *testing.T) {
	t.Parallel()
	const counts = `"added":1,"changed":0,"unchanged":0,"removed":1,"kept":1,"rounded":["m-3"],"tiered":[],"skipped_count":1,"skipped":[{"name":"m-4","reason":"it has no price for tokens"}],`
	s := newStore()
	w := send(t, s, "POST", "/admin/api/prices/import?format=tsv&dry_run=true", key, priceFile)
	if want := `{"dry_run":true,` + counts + `"version":4}`; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	if _, looked := s.asked.(*tokenstorev1.GetPricesRequest); !looked || len(s.kept) != 0 {
		t.Errorf("a dry run did more than look: %v, %v", s.asked, s.kept)
	}
	w = send(t, s, "POST", "/admin/api/prices/import?format=tsv", key, priceFile)
	if want := `{"dry_run":false,` + counts + `"version":5}`; w.Body.String() != want || w.Header().Get("ETag") != `"5"` {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	want := &tokenstorev1.PutPricesRequest{ExpectedVersion: 4, Prices: []*tokenstorev1.Price{
		byHand, {Match: "m-3", Input: proto.Uint64(500_000), Output: proto.Uint64(1), Source: "tsv"},
	}}
	if diff := cmp.Diff(want, s.asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if len(s.kept) != 1 || s.kept[0].GetAction() != "prices imported" || s.kept[0].GetDetails()["format"] != "tsv" || s.kept[0].GetUndo().GetPrices().GetBecame() != 5 {
		t.Errorf("audit: %v", s.kept)
	}
	send(t, s, "POST", "/admin/api/prices/import?format=tsv", key, priceFile, "If-Match", `"3"`)
	if got := s.asked.(*tokenstorev1.PutPricesRequest).GetExpectedVersion(); got != 3 {
		t.Errorf("If-Match: version %d is expected", got)
	}
}

func TestBadImports(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/admin/api/prices/import":                           "format: litellm, models.dev, tsv wanted",
		"/admin/api/prices/import?format=csv":                "format: litellm, models.dev, tsv wanted, not",
		"/admin/api/prices/import?format=litellm":            "the file can't be read as litellm: it is not a JSON object",
		"/admin/api/prices/import?format=tsv&dry_run=maybe":  "dry_run: true or false wanted",
		"/admin/api/prices/import?format=tsv&upstream=other": "there is no such parameter",
	} {
		w := send(t, newStore(), "POST", path, key, "[]")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Prices are taken back as they were, unless somebody has changed them since.
func TestPricesAreTakenBack(t *testing.T) {
	t.Parallel()
	for became, want := range map[uint64]string{4: `"undone":1,"failed":0`, 3: `{"what":"prices","reason":"they have been changed since"}`} {
		s := newStore()
		former := &tokenstorev1.FormerPrices{Prices: []*tokenstorev1.Price{imported}, Became: became}
		s.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{Prices: former}}}}, s.answers...)
		w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		put, is := s.asked.(*tokenstorev1.PutPricesRequest)
		if is != (became == 4) || is && !proto.Equal(put, &tokenstorev1.PutPricesRequest{Prices: former.GetPrices(), ExpectedVersion: 4}) {
			t.Errorf("asked %v", s.asked)
		}
	}
	s := newStore()
	s.answers = append([]proto.Message{&tokenstorev1.GetUndoResponse{}}, s.answers...)
	if w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, ""); !strings.Contains(w.Body.String(), "more than the 288 KiB that are kept") {
		t.Errorf("nothing is kept: %s", w.Body)
	}
}
