package upstreamsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claudeModels are listed before the scenarios.
var claudeModels = []string{"claude-opus-4-8", "claude-sonnet-4-5", "claude-haiku-4-5"}

// claudeScenario begins the listed names of scenarios.
const claudeScenario = "claude-sim-"

// The page of a model list.
const (
	defaultPage = 20
	maxPage     = 1000
)

// claudeModel is an entry of the model list.
type claudeModel struct {
	Type           string `json:"type"`
	ID             string `json:"id"`
	DisplayName    string `json:"display_name"`
	CreatedAt      string `json:"created_at"`
	MaxInputTokens int    `json:"max_input_tokens"`
	MaxTokens      int    `json:"max_tokens"`
}

const maxOutput = 64_000 // tokens

func newClaudeModel(id string) claudeModel {
	created := time.Unix(modelCreated, 0).UTC().Format(time.RFC3339)
	return claudeModel{"model", id, strings.ReplaceAll(id, "-", " "), created, window, maxOutput}
}

func claudeModelIDs() []string {
	ids := slices.Clone(claudeModels)
	for _, name := range Scenarios(Anthropic) {
		if !strings.Contains(name, "<") {
			ids = append(ids, claudeScenario+name)
		}
	}
	return ids
}

// modelPage is a part of the model list.
type modelPage struct {
	Data    []claudeModel `json:"data"`
	HasMore bool          `json:"has_more"`
	FirstID *string       `json:"first_id"`
	LastID  *string       `json:"last_id"`
}

// GET /v1/models, GET /v1/models/{id}
func (s *Simulator) serveClaudeModels(w http.ResponseWriter, r *http.Request) {
	requestID := "req_sim" + sixteenDigits(s.sequence.Add(1))
	w.Header().Set("Request-Id", requestID)
	fail := func(status int, failure vendorError) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_, _ = w.Write(failure.object(requestID)) //nolint:gosec // JSON, not a page; the client may be gone
	}
	token := apiKey(r)
	if token == "" || !s.accepts(s.book.Load().tokens.get(token)) {
		fail(http.StatusUnauthorized, vendorErrorOf(http.StatusUnauthorized, ""))
		return
	}
	if problem := versionProblem(r.Header.Get("Anthropic-Version")); problem != "" {
		fail(http.StatusBadRequest, invalidRequest(problem))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(http.StatusMethodNotAllowed, vendorErrorOf(http.StatusMethodNotAllowed, ""))
		return
	}
	if id, single := strings.CutPrefix(r.URL.Path, "/v1/models/"); single {
		scripted := scenarioOf(id) != normal && anthropicScripts[parseScenario(scenarioOf(id)).kind] != nil
		if !scripted && !slices.Contains(claudeModels, id) {
			fail(http.StatusNotFound, vendorErrorOf(http.StatusNotFound, id))
			return
		}
		writeJSON(w, newClaudeModel(id))
		return
	}
	page, problem := pageOf(claudeModelIDs(), r)
	if problem != "" {
		fail(http.StatusBadRequest, invalidRequest(problem))
		return
	}
	writeJSON(w, page)
}

// pageOf is the page that a query asks for, or what is wrong with the query.
func pageOf(ids []string, r *http.Request) (page modelPage, problem string) {
	query, limit := r.URL.Query(), defaultPage
	if text := query.Get("limit"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 || number > maxPage {
			return page, "limit: Input should be a number from 1 to 1000"
		}
		limit = number
	}
	from, to := 0, len(ids)
	if after := query.Get("after_id"); after != "" {
		if from = slices.Index(ids, after) + 1; from == 0 {
			return page, "after_id: there is no such model"
		}
	}
	if before := query.Get("before_id"); before != "" {
		if to = slices.Index(ids, before); to < 0 {
			return page, "before_id: there is no such model"
		}
		from = max(from, to-limit)
		page.HasMore = from > 0
	} else {
		to = min(to, from+limit)
		page.HasMore = to < len(ids)
	}
	page.Data = []claudeModel{}
	for _, id := range ids[min(from, to):to] {
		page.Data = append(page.Data, newClaudeModel(id))
	}
	if count := len(page.Data); count > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[count-1].ID
	}
	return page, ""
}
