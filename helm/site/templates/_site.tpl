{{/* site.toml as streams.settings reads it. A JSON string is a TOML string. */}}
{{- define "kelsey.siteToml" -}}
[site]
id = {{ .Values.site.id | toJson }}
data_directory = "/var/lib/kelsey"
pseudonym_key_file = "/etc/kelsey/secrets/site/{{ .Values.site.secretKeys.pseudonymKey }}"
signing_key_file = "/etc/kelsey/secrets/site/{{ .Values.site.secretKeys.signingKey }}"
{{- if .Values.site.vocabularyFile.existingConfigMap }}
vocabulary_file = "/etc/kelsey/vocabulary/{{ .Values.site.vocabularyFile.key }}"
{{- else if .Values.site.vocabulary }}
vocabulary = {{ .Values.site.vocabulary | toJson }}
{{- end }}
{{- if include "kelsey.protocolPlace" .Values.site.protocol }}
protocol_file = "/etc/kelsey/protocol/{{ .Values.site.protocol.key }}"
{{- end }}
read_narratives = {{ .Values.site.readNarratives }}
metrics_listen = "0.0.0.0:9464"
seal_grace_seconds = {{ printf "%.1f" (float64 .Values.site.sealGraceSeconds) }}
log_format = {{ .Values.site.logFormat | toJson }}

[kafka]
bootstrap = {{ .Values.kafka.bootstrap | toJson }}
prefix = {{ .Values.kafka.prefix | toJson }}
partitions = {{ int .Values.kafka.partitions }}
replication = {{ int .Values.kafka.replication }}
security_protocol = {{ .Values.kafka.securityProtocol | toJson }}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}
sasl_mechanism = {{ .Values.kafka.saslMechanism | toJson }}
username = {{ .Values.kafka.username | toJson }}
password_file = "/etc/kelsey/secrets/kafka/{{ .Values.kafka.secretKeys.password }}"
{{- end }}
{{- with .Values.kafka.secretKeys.ca }}
ca_file = "/etc/kelsey/secrets/kafka/{{ . }}"
{{- end }}
{{- with .Values.kafka.secretKeys.certificate }}
certificate_file = "/etc/kelsey/secrets/kafka/{{ . }}"
{{- end }}
{{- with .Values.kafka.secretKeys.key }}
key_file = "/etc/kelsey/secrets/kafka/{{ . }}"
{{- end }}
{{- if and .Values.gate.enabled .Values.secureSum.aggregators }}

[secure_sum]
{{- if .Values.caBundle.existingConfigMap }}
ca_file = "/etc/kelsey/ca/{{ .Values.caBundle.key }}"
{{- end }}
certificate_file = "/etc/kelsey/secrets/aggregators/tls.crt"
key_file = "/etc/kelsey/secrets/aggregators/tls.key"
{{- range .Values.secureSum.aggregators }}

[[secure_sum.aggregator]]
role = {{ .role | toJson }}
url = {{ .url | toJson }}
public_key_file = "/etc/kelsey/aggregators/{{ .role }}.pub"
{{- end }}
{{- else if .Values.gate.enabled }}

[hub]
url = {{ .Values.hub.url | toJson }}
api_key_file = "/etc/kelsey/secrets/hub/{{ .Values.hub.secretKeys.apiKey }}"
{{- if .Values.caBundle.existingConfigMap }}
ca_file = "/etc/kelsey/ca/{{ .Values.caBundle.key }}"
{{- end }}
{{- end }}
{{- range $source := .Values.sources }}

[[source]]
name = {{ .name | toJson }}
type = {{ .type | toJson }}
{{- with .url }}
url = {{ . | toJson }}
{{- end }}
{{- with .paths }}
paths = {{ . | toJson }}
{{- end }}
{{- with .pollSeconds }}
poll_seconds = {{ printf "%.1f" (float64 .) }}
{{- end }}
{{- with .token }}
token_file = "/etc/kelsey/secrets/source-{{ $source.name }}/{{ .key }}"
{{- end }}
{{- end }}
{{- end }}

{{- define "kelsey.kafkaSecretKeys" -}}
{{- $keys := list -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}{{ $keys = append $keys .Values.kafka.secretKeys.password }}{{ end -}}
{{- range list "ca" "certificate" "key" }}{{ with index $.Values.kafka.secretKeys . }}{{ $keys = append $keys . }}{{ end }}{{ end -}}
{{- join "," $keys -}}
{{- end }}

{{/* Mounts and volumes every role needs: settings, scratch space, the way into Kafka. */}}
{{- define "kelsey.commonMounts" -}}
- {name: settings, mountPath: /etc/kelsey/config, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "kelsey.kafkaSecretKeys" . }}
- {name: kafka, mountPath: /etc/kelsey/secrets/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "kelsey.commonVolumes" -}}
- name: settings
  configMap: {name: {{ include "kelsey.fullname" . }}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- with include "kelsey.kafkaSecretKeys" . }}
- name: kafka
  secret:
    secretName: {{ $.Values.kafka.existingSecret }}
    defaultMode: 0440
    items:
      {{- range splitList "," . }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- end }}

{{- define "kelsey.termsMounts" -}}
{{- if .Values.site.vocabularyFile.existingConfigMap }}
- {name: vocabulary, mountPath: /etc/kelsey/vocabulary, readOnly: true}
{{- end }}
{{- if include "kelsey.protocolPlace" .Values.site.protocol }}
- {name: protocol, mountPath: /etc/kelsey/protocol, readOnly: true}
{{- end }}
{{- end }}

{{- define "kelsey.termsVolumes" -}}
{{- with .Values.site.vocabularyFile.existingConfigMap }}
- name: vocabulary
  configMap: {name: {{ . }}}
{{- end }}
{{- if include "kelsey.protocolPlace" .Values.site.protocol }}
{{ include "kelsey.protocolVolume" .Values.site.protocol }}
{{- end }}
{{- end }}

{{- define "kelsey.env" -}}
- {name: HOME, value: /tmp}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- end }}
