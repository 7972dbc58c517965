package reference

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// configBody is the body of POST /config. A member that is absent or null is
// not touched.
type configBody struct {
	// Action is get, update or reset.
	Action string `json:"action"`
	// Path is that of a page; empty for none.
	Path string `json:"path"`
	// Content is the page's: a string with its kind in ContentType, or
	// {"type","content"}.
	Content     json.RawMessage `json:"content"`
	ContentType *string         `json:"content_type"`

	EnableStreamCheck *bool        `json:"enable_stream_check"`
	IncludeStopStream *bool        `json:"include_stop_stream"`
	VisionAbility     *string      `json:"vision_ability"`
	EnableSlowPool    *bool        `json:"enable_slow_pool"`
	EnableAllClaude   *bool        `json:"enable_all_claude"`
	CheckUsageModels  *usageModels `json:"check_usage_models"`

	// Version is the one that the caller has seen; If-Match says the same.
	Version *uint64 `json:"version"`
}

// usageModels says for which models an account's usage is looked up.
type usageModels struct {
	// Type is none, default, all or list.
	Type string `json:"type"`
	// Content is, for a list, the models' ids with commas between.
	Content string `json:"content,omitempty"`
}

// configAnswer is what every action answers: the configuration as it is now.
type configAnswer struct {
	Status  string     `json:"status"`
	Message string     `json:"message"`
	Data    configData `json:"data"`
}

type configData struct {
	// PageContent is that of the page that the request named.
	PageContent       pageContent `json:"page_content"`
	EnableStreamCheck bool        `json:"enable_stream_check"`
	IncludeStopStream bool        `json:"include_stop_stream"`
	// VisionAbility is none, base64 or url.
	VisionAbility    string      `json:"vision_ability"`
	EnableSlowPool   bool        `json:"enable_slow_pool"`
	EnableAllClaude  bool        `json:"enable_all_claude"`
	CheckUsageModels usageModels `json:"check_usage_models"`
	Version          uint64      `json:"version"`
}

// configuration is what each call of the tokenstore answers.
type configuration interface {
	GetSettings() *tokenstorev1.Settings
	GetPages() []*tokenstorev1.Page
}

// POST /config
func (r *Reference) configure(c *gin.Context) error {
	var body configBody
	if err := jsonapi.Decode(c, r.BodyLimit, &body); err != nil {
		return err
	}
	change, err := body.change(c)
	if err != nil {
		return err
	}
	ctx, cancel := r.Call(c)
	defer cancel()
	var now configuration
	var message string
	switch {
	case body.Action == actionGet:
		now, err = r.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
		message = "This is the configuration"
	case change.empty():
		now, err = r.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
		message = "The request names nothing to change"
	case body.Action == actionUpdate:
		now, err = r.Config.UpdateSettings(ctx, change.update())
		message = "Configuration has been updated"
	default:
		now, err = r.Config.ResetSettings(ctx, change.reset())
		message = "Configuration has been reset"
	}
	if err != nil {
		return storeerr.Translate(err)
	}
	if body.Action != actionGet && !change.empty() {
		r.Note(c, "configuration: "+body.Action, "fields", change.names, "page", body.Path)
	}
	jsonapi.SetVersion(c, now.GetSettings().GetVersion())
	return jsonapi.Answer(c, http.StatusOK, configAnswer{Status: "success", Message: message, Data: configDataOf(now, body.Path)})
}

// The actions.
const (
	actionGet    = "get"
	actionUpdate = "update"
	actionReset  = "reset"
)

// configChange is what a request wants to be different.
type configChange struct {
	settings *tokenstorev1.Settings
	// names are the settings that are to be changed.
	names []string
	// page is nil when no page is to be changed.
	page     *tokenstorev1.Page
	expected uint64
	actor    string
}

func (c configChange) empty() bool { return len(c.names) == 0 && c.page == nil }

func (c configChange) update() *tokenstorev1.UpdateSettingsRequest {
	request := &tokenstorev1.UpdateSettingsRequest{
		Settings: c.settings, UpdateMask: &fieldmaskpb.FieldMask{Paths: c.names}, ExpectedVersion: c.expected, Actor: c.actor,
	}
	if c.page != nil {
		request.Pages = []*tokenstorev1.Page{c.page}
	}
	return request
}

func (c configChange) reset() *tokenstorev1.ResetSettingsRequest {
	request := &tokenstorev1.ResetSettingsRequest{
		ResetMask: &fieldmaskpb.FieldMask{Paths: c.names}, ExpectedVersion: c.expected, Actor: c.actor,
	}
	if c.page != nil {
		request.PagePaths = []string{c.page.GetPath()}
	}
	return request
}

// change reads what the request wants. Everything that is wrong is an error,
// whether the action would use it or not.
func (b *configBody) change(c *gin.Context) (configChange, error) {
	change := configChange{actor: jsonapi.Actor(c)}
	if !slices.Contains([]string{actionGet, actionUpdate, actionReset}, b.Action) {
		return change, jsonapi.Invalid("action", "get, update or reset wanted, not %q", b.Action)
	}
	if b.Path != "" && !slices.Contains(pagePaths, b.Path) {
		return change, jsonapi.Invalid("path", "%q is not one of the pages %s", b.Path, strings.Join(pagePaths, ", "))
	}
	var err error
	if change.page, err = b.page(); err != nil {
		return change, err
	}
	if b.Action == actionReset && b.Path != "" {
		change.page = &tokenstorev1.Page{Path: b.Path, Kind: tokenstorev1.PageKind_PAGE_KIND_DEFAULT}
	}
	if change.settings, change.names, err = b.settings(); err != nil {
		return change, err
	}
	change.expected, err = b.expected(c)
	return change, err
}

// expected is the version that the caller has seen; 0 where it does not say.
func (b *configBody) expected(c *gin.Context) (uint64, error) {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil || b.Version == nil {
		return version, err
	}
	if version != 0 && version != *b.Version {
		return 0, jsonapi.Invalid("version", "%d, but If-Match says %d", *b.Version, version)
	}
	if *b.Version == 0 {
		return 0, jsonapi.Invalid("version", "the version wanted that an answer told; versions begin with 1")
	}
	return *b.Version, nil
}

// settings reads the settings that the request names.
func (b *configBody) settings() (*tokenstorev1.Settings, []string, error) {
	settings := &tokenstorev1.Settings{}
	var names []string
	for _, flag := range []struct {
		name  string
		given *bool
		into  *bool
	}{
		{"enable_stream_check", b.EnableStreamCheck, &settings.EnableStreamCheck},
		{"include_stop_stream", b.IncludeStopStream, &settings.IncludeStopStream},
		{"enable_slow_pool", b.EnableSlowPool, &settings.EnableSlowPool},
		{"enable_all_claude", b.EnableAllClaude, &settings.EnableAllClaude},
	} {
		if flag.given != nil {
			*flag.into = *flag.given
			names = append(names, flag.name)
		}
	}
	if b.VisionAbility != nil {
		vision, known := visionAbilities[strings.ToLower(*b.VisionAbility)]
		if !known {
			return nil, nil, jsonapi.Invalid("vision_ability", "none, base64 or all wanted, not %q", *b.VisionAbility)
		}
		settings.VisionAbility = vision
		names = append(names, "vision_ability")
	}
	if b.CheckUsageModels != nil {
		check := *b.CheckUsageModels
		if !slices.Contains([]string{"none", "default", "all", "list"}, check.Type) {
			return nil, nil, jsonapi.Invalid("check_usage_models.type", "none, default, all or list wanted, not %q", check.Type)
		}
		if check.Type == "list" && strings.Trim(check.Content, ", ") == "" { // a list of nothing
			check.Type = "none"
		}
		settings.CheckUsageModelsType = check.Type
		if check.Type == "list" {
			settings.CheckUsageModels = check.Content
		}
		names = append(names, "check_usage_models_type", "check_usage_models")
	}
	return settings, names, nil
}

// visionAbilities are the spellings that are understood.
var visionAbilities = map[string]string{
	"none": "none", "disabled": "none",
	"base64": "base64", "base64-only": "base64",
	"all": "all", "base64-http": "all", "url": "all",
}

func configDataOf(now configuration, path string) configData {
	settings := now.GetSettings()
	data := configData{
		PageContent:       pageContentOf(now.GetPages(), path),
		EnableStreamCheck: settings.GetEnableStreamCheck(),
		IncludeStopStream: settings.GetIncludeStopStream(),
		VisionAbility:     settings.GetVisionAbility(),
		EnableSlowPool:    settings.GetEnableSlowPool(),
		EnableAllClaude:   settings.GetEnableAllClaude(),
		CheckUsageModels:  usageModels{Type: settings.GetCheckUsageModelsType()},
		Version:           settings.GetVersion(),
	}
	if data.VisionAbility == "all" {
		data.VisionAbility = "url"
	}
	if data.CheckUsageModels.Type == "list" {
		data.CheckUsageModels.Content = settings.GetCheckUsageModels()
	}
	return data
}
