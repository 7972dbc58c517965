package upstreamsim

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// What the API knows of a request, block by block. Ordering is checked elsewhere.

// messageFields are the members of POST /v1/messages, countFields those of its
// token count.
var (
	countFields = fields{
		"model":         need(isModel),
		"messages":      need(isMessages),
		"system":        may(isSystem),
		"thinking":      may(thinkingWishes.check),
		"tools":         may(areTools),
		"tool_choice":   may(toolChoices.check),
		"output_config": may(holding(outputConfig)),
		"cache_control": may(isCacheControl),
		"speed":         may(oneOf("standard", "fast")),
	}
	messageFields = bothOf(countFields, fields{
		"max_tokens":     need(atLeast(0)),
		"stream":         may(isBool),
		"temperature":    may(fraction),
		"top_p":          may(fraction),
		"top_k":          may(atLeast(0)),
		"stop_sequences": may(areStopSequences),
		"metadata":       may(holding(fields{"user_id": may(isString)})),
		"service_tier":   may(oneOf("auto", "standard_only")),
		"container":      may(anyValue),
		"diagnostics":    may(holding(fields{"previous_message_id": may(isString)})),
		"inference_geo":  may(isString),
	})
)

// bothOf are the fields of both.
func bothOf(some, more fields) fields {
	both := fields{}
	for name, field := range some {
		both[name] = field
	}
	for name, field := range more {
		both[name] = field
	}
	return both
}

func isModel(c *checker, path string, n *node) {
	if isString(c, path, n); n.kind == stringKind && n.text == "" {
		c.fail(path, "String should have at least 1 character")
	}
}

// minThinkingBudget is in tokens.
const minThinkingBudget = 1024

var (
	isDisplay      = oneOf("summarized", "omitted")
	thinkingWishes = variants{
		"enabled":  {"type": need(isString), "budget_tokens": need(atLeast(minThinkingBudget)), "display": may(isDisplay)},
		"adaptive": {"type": need(isString), "display": may(isDisplay)},
		"disabled": {"type": need(isString)},
		"between_tools": {
			"type": need(isString), "budget_tokens": may(atLeast(minThinkingBudget)), "display": may(isDisplay),
		},
	}
	outputConfig = fields{
		"effort": may(oneOf("low", "medium", "high", "xhigh", "max")),
		"format": may(holding(fields{"type": need(oneOf("json_schema")), "schema": need(isOutputSchema)})),
	}
	toolChoices = variants{
		"auto": {"type": need(isString), "disable_parallel_tool_use": may(isBool)},
		"any":  {"type": need(isString), "disable_parallel_tool_use": may(isBool)},
		"tool": {"type": need(isString), "name": need(isString), "disable_parallel_tool_use": may(isBool)},
		"none": {"type": need(isString)},
	}
	cacheControl = fields{"type": need(oneOf("ephemeral")), "ttl": may(oneOf("5m", "1h"))}
)

func isCacheControl(c *checker, path string, n *node) { c.object(path, n, cacheControl) }

func isOutputSchema(c *checker, path string, n *node) {
	if anObject(c, path, n); n.kind == objectKind {
		c.supportedSchema(path, n)
	}
}

func areStopSequences(c *checker, path string, n *node) {
	isList(c, path, n)
	for at, sequence := range n.items {
		if isString(c, join(path, at), sequence); strings.TrimSpace(sequence.text) == "" {
			c.fail(path, "each stop sequence must contain non-whitespace")
		}
	}
}

// isSystem is a text, or text blocks.
func isSystem(c *checker, path string, n *node) {
	if n.kind == stringKind {
		return
	}
	isList(c, path, n)
	for at, block := range n.items {
		at := join(path, at)
		switch kind := block.get("type").string(); {
		case block.kind != objectKind:
			c.fail(at, "Input should be an object")
		case kind != "text":
			c.fail(at+".type", "Input should be 'text'")
		default:
			c.object(at, block, c.blocks["text"].fields)
			c.isText("system", block)
		}
	}
}

// isText refuses texts that say nothing; list is what the vendor names.
func (c *checker) isText(list string, block *node) {
	switch text := block.get("text").string(); {
	case text == "" && block.get("cache_control") != nil:
		c.fail("", "cache_control cannot be set for empty text blocks")
	case text == "":
		c.fail(list, "text content blocks must be non-empty")
	case strings.TrimSpace(text) == "":
		c.fail(list, "text content blocks must contain non-whitespace text")
	}
}

// Where a block may stand.
type place int

const (
	inUser place = 1 << iota
	inAssistant
	inSystem
	inResult
	inDocument
)

// blockShape is what the API knows of a kind of content block.
type blockShape struct {
	places place
	fields fields
	// also is checked where the fields are as they should be.
	also constraint
}

var isID = matching(`^[a-zA-Z0-9_-]+$`)

// blockFields are those of every block, and more.
func blockFields(more fields) fields {
	return bothOf(fields{"type": need(isString), "cache_control": may(isCacheControl)}, more)
}

// blockShapes are the content blocks by their type.
func blockShapes() map[string]blockShape {
	serverResult := fields{"tool_use_id": need(isID), "content": need(anyValue), "caller": may(anyValue), "is_error": may(isBool)}
	call := fields{"id": need(isID), "name": need(isString), "input": need(anObject), "caller": may(anyValue)}
	shapes := map[string]blockShape{
		"text": {
			inUser | inAssistant | inSystem | inResult | inDocument,
			blockFields(fields{"text": need(isString), "citations": may(isList)}), isTextBlock,
		},
		"image": {
			inUser | inResult | inDocument,
			blockFields(fields{"source": need(imageSources.check), "transformations": may(anyValue)}), isImage,
		},
		"document": {
			inUser | inAssistant | inResult,
			blockFields(fields{
				"source": need(documentSources.check), "title": may(isString), "context": may(isString),
				"citations": may(holding(fields{"enabled": may(isBool)})),
			}),
			isDocument,
		},
		"search_result": {
			inUser | inResult,
			blockFields(fields{
				"source": need(isString), "title": need(isString), "content": need(blocksIn(inSystem)),
				"citations": may(holding(fields{"enabled": may(isBool)})),
			}), nil,
		},
		"tool_use": {inAssistant, blockFields(bothOf(call, fields{"name": need(isToolName), "toolset_name": may(isString)})), nil},
		"tool_result": {
			inUser,
			blockFields(fields{
				"tool_use_id": need(isID), "content": may(isResult), "is_error": may(isBool), "toolset_name": may(isString),
			}), nil,
		},
		"tool_reference":    {inResult, blockFields(fields{"tool_name": need(isString)}), nil},
		"thinking":          {inAssistant, fields{"type": need(isString), "thinking": need(isString), "signature": need(isString)}, nil},
		"redacted_thinking": {inAssistant, fields{"type": need(isString), "data": need(isString)}, nil},
		"container_upload":  {inUser, blockFields(fields{"file_id": need(isString)}), nil},
		"server_tool_use":   {inAssistant, blockFields(call), nil},
		"mcp_tool_use":      {inAssistant, blockFields(bothOf(call, fields{"server_name": need(isString)})), nil},
		"compaction":        {inAssistant, blockFields(fields{"content": may(isString)}), nil},
		"fallback":          {inAssistant, blockFields(fields{"from": may(anyValue), "to": may(anyValue)}), nil},
	}
	for _, name := range []string{
		"web_search", "web_fetch", "code_execution", "bash_code_execution", "text_editor_code_execution", "tool_search", "mcp", "advisor",
	} {
		shapes[name+"_tool_result"] = blockShape{inAssistant | inUser, blockFields(serverResult), nil}
	}
	return shapes
}

func isTextBlock(c *checker, _ string, n *node) { c.isText("messages", n) }

// blocksIn is a list of the blocks of a place.
func blocksIn(where place) constraint {
	return func(c *checker, path string, n *node) {
		isList(c, path, n)
		for at, item := range n.items {
			c.block(join(path, at), item, where)
		}
	}
}

// block checks one block.
func (c *checker) block(path string, n *node, where place) {
	if n.kind != objectKind {
		c.fail(path, "Input should be an object")
		return
	}
	if n.get("type") == nil {
		c.fail(join(path, "type"), "Field required")
		return
	}
	kind := n.get("type").string()
	known, isKnown := c.blocks[kind]
	if !isKnown || known.places&where == 0 {
		var names []string
		for name, block := range c.blocks {
			if block.places&where != 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		c.unknownTag(path, kind, names)
		return
	}
	path = join(path, kind)
	c.object(path, n, known.fields)
	if known.also != nil && c.problem == "" {
		known.also(c, path, n)
	}
}

// isResult is what a tool answered: a text, which may be empty, or blocks.
func isResult(c *checker, path string, n *node) {
	if n.kind != stringKind {
		blocksIn(inResult)(c, path, n)
	}
}

var (
	imageTypes   = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}
	isFile       = fields{"type": need(isString), "file_id": need(isFileID)}
	isURL        = fields{"type": need(isString), "url": need(isHTTPS)}
	imageSources = variants{
		"base64": {"type": need(isString), "media_type": need(oneOf(imageTypes...)), "data": need(isBase64)},
		"url":    isURL,
		"file":   isFile,
	}
	documentSources = variants{
		"base64":  {"type": need(isString), "media_type": need(oneOf("application/pdf")), "data": need(isBase64)},
		"text":    {"type": need(isString), "media_type": need(oneOf("text/plain")), "data": need(isString)},
		"content": {"type": need(isString), "content": need(isDocumentContent)},
		"url":     isURL,
		"file":    isFile,
	}
)

func isFileID(c *checker, path string, n *node) {
	isString(c, path, n)
	if !c.brought("file_id") {
		c.fail(path, "Extra inputs are not permitted")
	}
}

func isHTTPS(c *checker, path string, n *node) {
	if isString(c, path, n); !strings.HasPrefix(n.text, "https://") {
		c.fail(path, "Only HTTPS URLs are supported.")
	}
}

func isBase64(c *checker, path string, n *node) {
	isString(c, path, n)
	if data, err := base64.StdEncoding.DecodeString(n.text); err != nil || len(data) == 0 {
		c.fail(path, "Input should be valid base64")
	}
}

func isDocumentContent(c *checker, path string, n *node) {
	if n.kind != stringKind {
		blocksIn(inDocument)(c, path, n)
	}
}

// isImage compares an image with its media type.
func isImage(c *checker, path string, n *node) {
	source := n.get("source")
	if source.get("type").string() != "base64" {
		return
	}
	said := source.get("media_type").string()
	found := http.DetectContentType(decoded(source))
	switch {
	case !slices.Contains(imageTypes, found):
		c.fail("", "Could not process image")
	case found != said:
		c.fail(path+".source.base64", "The image was specified using the %s media type, but the image appears to be a %s image", said, found)
	}
}

// decoded are the bytes of a base64 source that was checked.
func decoded(source *node) []byte {
	data, err := base64.StdEncoding.DecodeString(source.get("data").string())
	if err != nil {
		return nil
	}
	return data
}

// isDocument looks into a document.
func isDocument(c *checker, path string, n *node) {
	source := n.get("source")
	switch source.get("type").string() {
	case "base64":
		if !bytes.HasPrefix(decoded(source), []byte("%PDF-")) {
			c.fail(path+".source.base64.data", "The PDF specified was not valid.")
		}
	case "text":
		if source.get("data").string() == "" {
			c.fail(path+".source.text.data", "String should have at least 1 character")
		}
	}
}

var isToolName = matching(`^[a-zA-Z0-9_-]{1,128}$`)

// customTool are the fields of a tool that the client runs.
var customTool = fields{
	"type": may(oneOf("custom")), "name": need(isToolName), "description": may(isString), "input_schema": need(isInputSchema),
	"strict": may(isBool), "cache_control": may(isCacheControl), "defer_loading": may(isBool),
	"eager_input_streaming": may(isBool), "allowed_callers": may(isList), "input_examples": may(isList),
}

// vendorTool is a dated type whose schema only the vendor knows.
var vendorTool = regexp.MustCompile(
	`^(bash|text_editor|computer|memory|web_search|web_fetch|code_execution|tool_search_tool_(regex|bm25)|advisor)_20\d{6}$`)

func isInputSchema(c *checker, path string, n *node) {
	anObject(c, path, n)
	switch kind := n.get("type"); {
	case kind == nil:
		c.fail(path+".type", "Field required")
	case kind.string() != "object":
		c.fail(path+".type", "Input should be 'object'")
	}
}

func areTools(c *checker, path string, n *node) {
	isList(c, path, n)
	named := map[string]bool{}
	for at, tool := range n.items {
		c.tool(join(path, at), tool)
		if name := tool.get("name").string(); name != "" {
			if named[name] {
				c.fail(path, "Tool names must be unique.")
			}
			named[name] = true
		}
	}
}

func (c *checker) tool(path string, n *node) {
	switch kind := n.get("type").string(); {
	case n.kind != objectKind:
		c.fail(path, "Input should be an object")
	case vendorTool.MatchString(kind) && n.get("name") == nil:
		c.fail(join(join(path, kind), "name"), "Field required")
	case vendorTool.MatchString(kind):
		// Each has fields of its own.
	case kind == "mcp_toolset" && c.brought(kind):
	case kind != "" && kind != "custom":
		c.unknownTag(path, kind, []string{"bash_20250124", "custom", "text_editor_20250728", "web_search_20250305"})
	default:
		path = join(path, "custom")
		c.object(path, n, customTool)
		if n.get("strict").isTrue() && c.problem == "" {
			c.supportedSchema(join(path, "input_schema"), n.get("input_schema"))
		}
	}
}
