package upstreamsim

import (
	"slices"
)

// responsesStrays are answers of upstreams that stray from the API, or use it in an unusual way.
var responsesStrays = map[string]func(*responsesCall) error{
	"no-deltas":      func(c *responsesCall) error { return c.stray(without(func(e responseEvent) bool { return e.delta })) },
	"only-completed": func(c *responsesCall) error { return c.stray(onlyEnds) },
	"no-added": func(c *responsesCall) error {
		return c.stray(without(isKind("response.output_item.added", "response.content_part.added")))
	},
	"no-item-done":    func(c *responsesCall) error { return c.stray(without(isKind("response.output_item.done"))) },
	"no-item-ids":     func(c *responsesCall) error { return c.stray(each(dropIDs)) },
	"output-empty":    func(c *responsesCall) error { return c.stray(atEnd("output", []any{})) },
	"completed-no-id": func(c *responsesCall) error { return c.stray(atEnd("id", nil)) },
	"usage-as-text":   func(c *responsesCall) error { return c.stray(atEnd("usage", "12")) },
	"usage-no-details": func(c *responsesCall) error {
		return c.stray(atEnd("usage", jsonBody{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}))
	},
	"model-differs":    func(c *responsesCall) error { return c.stray(atEnd("model", "another")) },
	"after-done":       func(c *responsesCall) error { return c.stray(followedBy(responseEvent{kind: "response.in_progress"})) },
	"done-marker":      (*responsesCall).doneMarker,
	"new-event":        (*responsesCall).newKinds,
	"server-tool":      (*responsesCall).webSearch,
	"arguments-object": func(c *responsesCall) error { return c.strayOf(c.toolReply(1), each(objectArguments)) },
	"stream-always":    func(c *responsesCall) error { return c.form(true) },
	"object-always":    func(c *responsesCall) error { return c.form(false) },
	"sequence-gaps":    (*responsesCall).gaps,
	"no-sequence":      (*responsesCall).unnumbered,
	"incomplete-object": func(c *responsesCall) error {
		return c.sayAs(c.shaped(c.normalReply()), outcome{status: "incomplete", incomplete: "max_output_tokens"})
	},
}

// alter changes the events of a stream.
type alter func([]responseEvent) []responseEvent

// stray is the normal answer with its events altered; a whole answer is the last one's.
func (c *responsesCall) stray(with alter) error { return c.strayOf(c.normalReply(), with) }

func (c *responsesCall) strayOf(r reply, with alter) error {
	r = c.shaped(r)
	events := with(c.eventsOf(r, outcomeOf(r)))
	if c.streaming() {
		return inOrder(c.headAnswer, c.playAll(events))
	}
	for _, e := range slices.Backward(events) {
		if response := e.members["response"]; response != nil {
			return c.whole(response)
		}
	}
	return c.say(r)
}

func isKind(kinds ...string) func(responseEvent) bool {
	return func(e responseEvent) bool { return slices.Contains(kinds, e.kind) }
}

func without(what func(responseEvent) bool) alter {
	return func(events []responseEvent) []responseEvent { return slices.DeleteFunc(events, what) }
}

func onlyEnds(events []responseEvent) []responseEvent {
	return []responseEvent{events[0], events[len(events)-1]}
}

func followedBy(e responseEvent) alter {
	return func(events []responseEvent) []responseEvent { return append(events, e) }
}

// atEnd changes a member of the last event's response; nil leaves it out.
func atEnd(name string, value any) alter {
	return func(events []responseEvent) []responseEvent {
		last := &events[len(events)-1]
		response, _ := last.members["response"].(jsonBody)
		response = changed(response, jsonBody{name: value})
		if value == nil {
			delete(response, name)
		}
		last.members = changed(last.members, jsonBody{"response": response})
		return events
	}
}

// each changes the members of every event, those of its response and of all items.
func each(change func(jsonBody) jsonBody) alter {
	return func(events []responseEvent) []responseEvent {
		for i := range events {
			members := change(events[i].members)
			if item, found := members["item"].(jsonBody); found {
				members["item"] = change(item)
			}
			if response, found := members["response"].(jsonBody); found {
				output, _ := response["output"].([]any)
				items := []any{}
				for _, item := range output {
					item, _ := item.(jsonBody)
					items = append(items, change(item))
				}
				members["response"] = changed(response, jsonBody{"output": items})
			}
			events[i].members = members
		}
		return events
	}
}

// dropIDs leaves out item ids.
func dropIDs(of jsonBody) jsonBody {
	of = changed(of, nil)
	delete(of, "item_id")
	if of["type"] != nil {
		delete(of, "id")
	}
	return of
}

func objectArguments(of jsonBody) jsonBody {
	of = changed(of, nil)
	if text, found := of["arguments"].(string); found && text != "" {
		of["arguments"] = rawOf(mustParse([]byte(text)))
	}
	return of
}

func (c *responsesCall) doneMarker() error {
	if !c.streaming() {
		return c.sayNormal()
	}
	r := c.shaped(c.normalReply())
	events := c.eventsOf(r, outcomeOf(r))
	c.keepNow()
	return inOrder(c.headAnswer, c.play(events), c.end([]byte("data: [DONE]\n\n")))
}

// newKinds has an event and an item of kinds that no client knows yet.
func (c *responsesCall) newKinds() error {
	return c.stray(func(events []responseEvent) []responseEvent {
		last := len(events) - 1
		response, _ := events[last].members["response"].(jsonBody)
		output, _ := response["output"].([]any)
		item := jsonBody{"type": "hologram", "id": c.itemID("hg", len(output)), "status": "completed", "data": "c2lt"}
		at := jsonBody{"output_index": len(output), "item": item}
		events[last].members = jsonBody{"response": changed(response, jsonBody{"output": append(slices.Clone(output), any(item))})}
		return slices.Insert(events, last,
			responseEvent{kind: "response.mood", members: jsonBody{"mood": "calm"}},
			responseEvent{kind: "response.output_item.added", members: at}, responseEvent{kind: "response.output_item.done", members: at})
	})
}

// webSearch is a search by the vendor before the text.
func (c *responsesCall) webSearch() error {
	c.annotated = true
	return c.stray(func(events []responseEvent) []responseEvent {
		item := jsonBody{"type": "web_search_call", "id": c.itemID("ws", 99), "status": "completed", "action": jsonBody{"type": "search", "query": "simulators"}}
		at := jsonBody{"output_index": 0, "item_id": item["id"]}
		for i := range events {
			if index, found := events[i].members["output_index"].(int); found {
				events[i].members = changed(events[i].members, jsonBody{"output_index": index + 1})
			}
		}
		last := &events[len(events)-1]
		response, _ := last.members["response"].(jsonBody)
		output, _ := response["output"].([]any)
		last.members = jsonBody{"response": changed(response, jsonBody{"output": append([]any{item}, output...)})}
		return slices.Insert(events, 2,
			responseEvent{kind: "response.output_item.added", members: jsonBody{"output_index": 0, "item": changed(item, jsonBody{"status": "in_progress"})}},
			responseEvent{kind: "response.web_search_call.in_progress", members: at}, responseEvent{kind: "response.web_search_call.searching", members: at},
			responseEvent{kind: "response.web_search_call.completed", members: at},
			responseEvent{kind: "response.output_item.done", members: jsonBody{"output_index": 0, "item": item}})
	})
}

// form is the normal answer as a stream or not, whatever was asked for.
func (c *responsesCall) form(stream bool) error {
	r := c.shaped(c.normalReply())
	events := c.eventsOf(r, outcomeOf(r))
	if !stream {
		return c.whole(events[len(events)-1].members["response"])
	}
	c.w.Header().Set("Content-Type", eventStream)
	return c.playAll(events)()
}

// gaps counts by two.
func (c *responsesCall) gaps() error {
	if !c.streaming() {
		return c.sayNormal()
	}
	r := c.shaped(c.normalReply())
	_ = c.headAnswer()
	for _, e := range c.eventsOf(r, outcomeOf(r)) {
		event := c.written(e)
		c.next++
		if err := c.send(event); err != nil {
			return err
		}
	}
	return nil
}

// unnumbered has no sequence numbers.
func (c *responsesCall) unnumbered() error {
	if !c.streaming() {
		return c.sayNormal()
	}
	r := c.shaped(c.normalReply())
	_ = c.headAnswer()
	for _, e := range c.eventsOf(r, outcomeOf(r)) {
		event := "event: " + e.kind + "\ndata: " + string(jsonOf(changed(e.members, jsonBody{"type": e.kind}))) + "\n\n"
		if err := c.send([]byte(event)); err != nil {
			return err
		}
	}
	return nil
}
