package upstreamsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Bounds of the answers that are kept, by number and by bytes; the oldest go first.
const (
	maxKept      = 1_000
	maxKeptBytes = 256 << 20
)

// storedResponse is an answer that is kept. Its items are never changed.
type storedResponse struct {
	id, organization string
	object           jsonBody // replaced as a whole
	before           []*node  // the conversation before the input
	input, output    []*node
	background       bool
	bytes            int // of the request and the output
}

// conversation is everything up to and with the answer.
func (r *storedResponse) conversation() []*node {
	return slices.Concat(r.before, r.input, r.output)
}

// storedItem is an item of an answer that is kept.
type storedItem struct {
	organization string
	item         *node
	reasoning    string // the id of the reasoning that led to it
}

// responseStore are the answers and their items, by id.
type responseStore struct {
	mu    sync.Mutex
	byID  map[string]*storedResponse
	items map[string]*storedItem
	order []string
	bytes int
}

func (s *responseStore) get(organization, id string) *storedResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.byID[id]; r != nil && r.organization == organization {
		return r
	}
	return nil
}

func (s *responseStore) item(organization, id string) *storedItem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if item := s.items[id]; item != nil && item.organization == organization {
		return item
	}
	return nil
}

func (s *responseStore) put(r *storedResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID, s.items = map[string]*storedResponse{}, map[string]*storedItem{}
	}
	if _, again := s.byID[r.id]; !again {
		for len(s.order) == maxKept || len(s.order) > 0 && s.bytes+r.bytes > maxKeptBytes {
			s.drop(s.order[0])
		}
		s.bytes += r.bytes
		s.order = append(s.order, r.id)
	}
	s.byID[r.id] = r
	reasoning := ""
	for _, item := range r.output {
		id := item.get("id").string()
		s.items[id] = &storedItem{r.organization, item, reasoning}
		reasoning = ""
		if item.get("type").string() == "reasoning" {
			reasoning = id
		}
	}
}

// drop forgets an answer; the lock is held.
func (s *responseStore) drop(id string) {
	for _, item := range s.byID[id].output {
		delete(s.items, item.get("id").string())
	}
	s.bytes -= s.byID[id].bytes
	delete(s.byID, id)
	s.order = slices.DeleteFunc(s.order, func(each string) bool { return each == id })
}

func (s *responseStore) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[id] != nil {
		s.drop(id)
	}
}

// update replaces the object of an answer, if it is still there.
func (s *responseStore) update(id string, object jsonBody) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.byID[id]; r != nil {
		changed := *r
		changed.object = object
		s.byID[id] = &changed
	}
}

// serveKept is for answers that are kept: GET and DELETE of one, /cancel and /input_items.
func (c *responsesCall) serveKept(rest string) {
	id, what, _ := strings.Cut(rest, "/")
	c.choose("")
	c.note(id)
	if err := c.pause(c.rule.Delay); err != nil {
		return
	}
	if !c.authenticated() {
		_ = c.failStatus(http.StatusUnauthorized)
		return
	}
	if c.scenario.kind == httpForm {
		_ = c.answerStatus(jsonOf(statusError(c.scenario.number, c.scenario.variant).body()))
		return
	}
	if problem := idProblem("response_id", id, "resp"); problem != nil {
		c.refuse(problem)
		return
	}
	kept := c.entry.book.responses.get(c.organization(), id)
	if kept == nil { // a client may have made it up
		c.refuse(misused("", "Response with id '%s' not found.", id).notFound().unnoted())
		return
	}
	_ = c.answerKept(kept, c.r.Method+" "+what)
}

func (c *responsesCall) answerKept(kept *storedResponse, call string) error {
	store := &c.entry.book.responses
	switch call {
	case "GET ":
		if c.r.URL.Query().Get("stream") == "true" {
			c.refuse(misused("stream", "Only responses that were created with background=true and stream=true can be streamed again."))
			return nil
		}
		if kept.background && kept.object["status"] == "queued" {
			kept = c.completeBackground(kept)
		}
		return c.answerWhole(http.StatusOK, jsonType, jsonOf(kept.object))
	case "DELETE ":
		store.remove(kept.id)
		return c.answerWhole(http.StatusOK, jsonType, jsonOf(jsonBody{"id": kept.id, "object": "response", "deleted": true}))
	case "POST cancel":
		if !kept.background {
			c.refuse(misused("", "Cannot cancel a synchronous response."))
			return nil
		}
		object := kept.object
		if object["status"] == "queued" {
			object = changed(object, jsonBody{"status": "cancelled", "output": []any{}})
			store.update(kept.id, object)
		}
		return c.answerWhole(http.StatusOK, jsonType, jsonOf(object))
	case "GET input_items":
		return c.inputItems(kept)
	default:
		c.refuse(unknownURL(c.r))
		return nil
	}
}

// changed is an object with other members in place of some.
func changed(object, with jsonBody) jsonBody {
	copied := jsonBody{}
	for _, from := range []jsonBody{object, with} {
		for name, value := range from {
			copied[name] = value
		}
	}
	return copied
}

// completeBackground ends an answer that was made in the background.
func (c *responsesCall) completeBackground(kept *storedResponse) *storedResponse {
	output := []any{}
	for _, item := range kept.output {
		output = append(output, rawOf(item))
	}
	object := changed(kept.object, jsonBody{"status": "completed", "output": output, "completed_at": c.sim.options.Now().Unix()})
	c.entry.book.responses.update(kept.id, object)
	return c.entry.book.responses.get(kept.organization, kept.id)
}

// pageSize is how many items a page may have.
func pageSize(text string) (int, *rejection) {
	if text == "" {
		return 20, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		return 0, wrongType("limit", "an integer", "a string")
	}
	return size, integerWithin("limit", &size, 1, 100)
}

// inputItems is a page of what an answer was given.
func (c *responsesCall) inputItems(kept *storedResponse) error {
	query := c.r.URL.Query()
	limit, problem := pageSize(query.Get("limit"))
	if problem != nil {
		c.refuse(problem)
		return nil
	}
	order := query.Get("order")
	if order != "" && order != "asc" && order != "desc" {
		c.refuse(wrongValue("order", order, "asc", "desc"))
		return nil
	}
	var items []jsonBody
	for i, item := range slices.Concat(kept.before, kept.input) {
		items = append(items, listedItem(item, kept.id, i))
	}
	if order != "asc" {
		slices.Reverse(items)
	}
	if after := query.Get("after"); after != "" {
		at := slices.IndexFunc(items, func(item jsonBody) bool { return item["id"] == after })
		if at < 0 {
			c.refuse(rejected("after", "invalid_value", "Item with id '%s' not found.", after))
			return nil
		}
		items = items[at+1:]
	}
	page := items[:min(limit, len(items))]
	list := jsonBody{"object": "list", "data": append([]jsonBody{}, page...), "has_more": len(page) < len(items), "first_id": nil, "last_id": nil}
	if len(page) > 0 {
		list["first_id"], list["last_id"] = page[0]["id"], page[len(page)-1]["id"]
	}
	return c.answerWhole(http.StatusOK, jsonType, jsonOf(list))
}

// listedItem is an input item in full: with an id, a status, and parts in place of a text.
func listedItem(item *node, response string, index int) jsonBody {
	listed := jsonBody{}
	for _, m := range item.members {
		listed[m.name] = rawOf(m.value)
	}
	if item.get("type") == nil {
		listed["type"] = "message"
	}
	if id := item.get("id"); id != nil {
		listed["id"] = id.text
	} else {
		prefix := "msg_"
		if shape := itemShapes[item.get("type").string()]; shape.prefix != "" {
			prefix = shape.prefix + "_"
		}
		listed["id"] = prefix + strings.TrimPrefix(response, "resp_") + "_in" + strconv.Itoa(index)
	}
	if item.get("status") == nil {
		listed["status"] = "completed"
	}
	if content := item.get("content"); content != nil && content.kind == stringKind {
		kind := "input_text"
		if item.get("role").string() == "assistant" {
			kind = "output_text"
		}
		listed["content"] = []jsonBody{{"type": kind, "text": content.text}}
	}
	return listed
}
