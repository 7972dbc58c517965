package backup

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// settingRecord is the named setting.
func settingRecord(settings *tokenstorev1.Settings, name string) (*tokenstorev1.BackupRecord, error) {
	field, err := token.SettingField(name)
	if err != nil {
		return nil, fmt.Errorf("setting: %w", err)
	}
	setting, value := &tokenstorev1.BackupSetting{Name: name}, settings.ProtoReflect().Get(field)
	switch field.Kind() {
	case protoreflect.BoolKind:
		setting.Value = &tokenstorev1.BackupSetting_Flag{Flag: value.Bool()}
	case protoreflect.Uint32Kind:
		setting.Value = &tokenstorev1.BackupSetting_Number{Number: uint32(value.Uint())} //nolint:gosec // it is of 32 bits
	default:
		setting.Value = &tokenstorev1.BackupSetting_Text{Text: value.String()}
	}
	return &tokenstorev1.BackupRecord{Record: &tokenstorev1.BackupRecord_Setting{Setting: setting}}, nil
}

// putSetting sets what a record says.
func putSetting(into *tokenstorev1.Settings, setting *tokenstorev1.BackupSetting) error {
	field, err := token.SettingField(setting.GetName())
	if err != nil {
		return fmt.Errorf("there is no setting of this name here: %w", err)
	}
	value, kind := settingValue(setting)
	if field.Kind() != kind {
		return fmt.Errorf("its value is not of the kind %s", field.Kind())
	}
	into.ProtoReflect().Set(field, value)
	return nil
}

func settingValue(setting *tokenstorev1.BackupSetting) (protoreflect.Value, protoreflect.Kind) {
	switch value := setting.GetValue().(type) {
	case *tokenstorev1.BackupSetting_Flag:
		return protoreflect.ValueOfBool(value.Flag), protoreflect.BoolKind
	case *tokenstorev1.BackupSetting_Number:
		return protoreflect.ValueOfUint32(value.Number), protoreflect.Uint32Kind
	case *tokenstorev1.BackupSetting_Text:
		return protoreflect.ValueOfString(value.Text), protoreflect.StringKind
	default:
		return protoreflect.Value{}, 0
	}
}

func checkSetting(setting *tokenstorev1.BackupSetting) error {
	settings := token.DefaultSettings()
	if err := putSetting(settings, setting); err != nil {
		return err
	}
	return token.CheckSettings(settings)
}

// shownSetting is a setting's value.
func shownSetting(setting *tokenstorev1.BackupSetting) string {
	switch value := setting.GetValue().(type) {
	case *tokenstorev1.BackupSetting_Flag:
		return strconv.FormatBool(value.Flag)
	case *tokenstorev1.BackupSetting_Number:
		return strconv.FormatUint(uint64(value.Number), 10)
	case *tokenstorev1.BackupSetting_Text:
		return strconv.Quote(shown(value.Text))
	default:
		return ""
	}
}
