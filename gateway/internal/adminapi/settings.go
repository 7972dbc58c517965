package adminapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The settings' keys are the field names of their message: a new setting needs
// no code here.
var settingFields = (*tokenstorev1.Settings)(nil).ProtoReflect().Descriptor().Fields()

// fixed are the fields that the tokenstore alone sets.
var fixed = []protoreflect.Name{"version", "updated_at"}

// settingsOf renders every setting.
func settingsOf(settings *tokenstorev1.Settings) map[string]any {
	message := settings.ProtoReflect()
	values := make(map[string]any, settingFields.Len())
	for i := range settingFields.Len() {
		if field := settingFields.Get(i); field.Message() == nil {
			values[string(field.Name())] = message.Get(field).Interface()
		}
	}
	values["updated_at"] = nullable.Time(settings.GetUpdatedAt())
	return values
}

// readSettings sets the members of a PATCH and answers their names.
func readSettings(fields map[string]json.RawMessage, settings *tokenstorev1.Settings) ([]string, error) {
	var names []string
	for name, raw := range fields {
		field := settingFields.ByName(protoreflect.Name(name))
		if field == nil {
			return nil, jsonapi.Invalid(name, "there is no such setting")
		}
		if slices.Contains(fixed, field.Name()) {
			return nil, jsonapi.Invalid(name, "it is not for you to set; send the version in If-Match")
		}
		value, err := settingValue(field, raw)
		if err != nil {
			return nil, err
		}
		settings.ProtoReflect().Set(field, value)
		names = append(names, name)
	}
	return names, nil
}

func settingValue(field protoreflect.FieldDescriptor, raw json.RawMessage) (protoreflect.Value, error) {
	name := string(field.Name())
	switch field.Kind() {
	case protoreflect.BoolKind:
		var value bool
		err := jsonapi.Member(name, raw, &value)
		return protoreflect.ValueOfBool(value), err
	case protoreflect.Uint32Kind:
		var value uint32
		err := jsonapi.Member(name, raw, &value)
		return protoreflect.ValueOfUint32(value), err
	case protoreflect.StringKind:
		var value string
		err := jsonapi.Member(name, raw, &value)
		return protoreflect.ValueOfString(value), err
	default: // a test looks at every field
		return protoreflect.Value{}, jsonapi.Invalid(name, "it can't be set here")
	}
}

// GET /admin/api/settings
func (a *API) getSettings(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	now, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	return answerVersioned(c, http.StatusOK, settingsOf(now.GetSettings()), now.GetSettings().GetVersion())
}

// PATCH /admin/api/settings
func (a *API) updateSettings(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	settings := &tokenstorev1.Settings{}
	names, err := readSettings(fields, settings)
	if err != nil {
		return err
	}
	slices.Sort(names)
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	updated, err := a.Config.UpdateSettings(ctx, &tokenstorev1.UpdateSettingsRequest{
		Settings: settings, UpdateMask: &fieldmaskpb.FieldMask{Paths: names}, ExpectedVersion: version, Actor: jsonapi.Actor(c),
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, undoOfSettings(before, updated.GetSettings(), names), "settings changed", "fields", names)
	return answerVersioned(c, http.StatusOK, settingsOf(updated.GetSettings()), updated.GetSettings().GetVersion())
}

// POST /admin/api/settings/reset
func (a *API) resetSettings(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	var body struct {
		Names []string `json:"names"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	if len(body.Names) == 0 {
		return jsonapi.Invalid("names", "the names wanted of the settings that are to be reset")
	}
	for _, name := range body.Names {
		if field := settingFields.ByName(protoreflect.Name(name)); field == nil || slices.Contains(fixed, field.Name()) {
			return jsonapi.Invalid("names", "there is no setting %q", name)
		}
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	now, err := a.Config.ResetSettings(ctx, &tokenstorev1.ResetSettingsRequest{
		ResetMask: &fieldmaskpb.FieldMask{Paths: body.Names}, ExpectedVersion: version, Actor: jsonapi.Actor(c),
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, undoOfSettings(before, now.GetSettings(), body.Names), "settings reset", "fields", body.Names)
	return answerVersioned(c, http.StatusOK, settingsOf(now.GetSettings()), now.GetSettings().GetVersion())
}

// settingChange says who changed a setting, or a page, last.
type settingChange struct {
	Name  string     `json:"name"`
	At    *time.Time `json:"at"`
	Actor string     `json:"actor"`
	// Previous is a setting's value before; null where the default held, or it is not known.
	Previous *string `json:"previous"`
	// PreviousDefault: the default held before.
	PreviousDefault bool `json:"previous_default"`
}

// GET /admin/api/settings/changes
func (a *API) listSettingChanges(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	now, err := a.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	changes := make([]settingChange, 0, len(now.GetChanges()))
	for _, change := range now.GetChanges() {
		changes = append(changes, settingChange{
			change.GetName(), nullable.Time(change.GetAt()), change.GetActor(), change.Previous, change.GetPreviousDefault(),
		})
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Changes []settingChange `json:"changes"`
		// Defaults are what holds where nobody has set anything; null where the tokenstore does not say.
		Defaults map[string]any `json:"defaults"`
	}{changes, defaultsOf(now.GetDefaults())})
}

// defaultsOf renders the defaults of every setting.
func defaultsOf(settings *tokenstorev1.Settings) map[string]any {
	if settings == nil {
		return nil
	}
	values := settingsOf(settings)
	for _, name := range fixed {
		delete(values, string(name))
	}
	return values
}
