package grammar

import (
	"fmt"
)

// calls are the tool calls of one choice, in the order of their index.
type calls struct {
	*verdict
	all []*call
	ids map[string]bool
}

type call struct {
	arguments []byte
	whole     bool // of an answer that is no stream
	custom    bool // its input is no JSON
}

func (c *calls) judgeList(list value) {
	c.require(list.kind == isArray, CallShape, list, "a list of calls")
	if list.kind == isArray {
		c.require(len(list.elements) > 0, EmptyCalls, list, "no tool_calls")
	}
}

// piece judges a piece of a call in a delta.
func (c *calls) piece(of value) {
	index, ok := of.get("index").count()
	known := ok && index < int64(len(c.all))
	c.require(known || ok && index == int64(len(c.all)), CallIndex, of.get("index"), fmt.Sprintf("an index of at most %d", len(c.all)))
	if !known {
		c.all = append(c.all, c.open(of))
		return
	}
	call := c.all[index]
	function := of.get("function")
	for _, m := range of.members {
		if m.key != "index" && m.key != "function" && m.key != "custom" {
			c.report(CallLaterPiece, m.key+" in a later piece", "only index and arguments")
		}
	}
	for _, m := range function.members {
		if m.key != "arguments" {
			c.report(CallLaterPiece, "function."+m.key+" in a later piece", "only index and arguments")
		}
	}
	c.arguments(call, of)
}

// open judges the first piece of a call.
func (c *calls) open(of value) *call {
	call := &call{custom: of.get("type").is("custom")}
	c.judgeID(of.get("id"))
	if call.custom {
		return call
	}
	c.require(of.get("type").is("function"), CallFirstPiece, of.get("type"), "type function")
	c.require(of.get("function").get("name").filled(), CallFirstPiece, of.get("function"), "a function with a name")
	c.arguments(call, of)
	return call
}

func (c *calls) judgeID(id value) {
	c.require(id.filled(), CallID, id, "an id")
	if c.ids == nil {
		c.ids = map[string]bool{}
	}
	c.require(!c.ids[id.text] || !id.filled(), CallIDUnique, id, "an id of its own")
	c.ids[id.text] = true
}

func (c *calls) arguments(call *call, of value) {
	if call.custom {
		return
	}
	function := of.get("function")
	if function.kind != isObject {
		c.report(CallShape, of.String(), "a function")
		return
	}
	arguments := function.get("arguments")
	c.require(arguments.kind == isString, CallArguments, arguments, "arguments as a string")
	call.arguments = append(call.arguments, arguments.text...)
}

// whole judges a call of a whole answer.
func (c *calls) whole(of value) {
	c.require(of.get("index").kind == isAbsent, CallIndex, of.get("index"), "no index in a whole call")
	call := c.open(of)
	call.whole = true
	c.all = append(c.all, call)
}

// judgeArguments judges the arguments of all calls, when the answer has finished. In a
// stream no piece at all stands for {}. Where pieces of several calls are mixed, an answer
// that is cut may cut all of them.
func (c *calls) judgeArguments(cut bool) {
	for i, call := range c.all {
		if call.custom || cut || len(call.arguments) == 0 && !call.whole {
			continue
		}
		if object, _, ok := parse(call.arguments); !ok || object.kind != isObject {
			c.report(CallJSON, fmt.Sprintf("the arguments of call %d: %s", i, brief(call.arguments)), "a JSON object")
		}
	}
}
