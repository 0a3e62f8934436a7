{{/* A name and a password from a Secret: dict secret, user (variable), password (variable). */}}
{{- define "sbiscope.account" -}}
- name: {{ .user }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: username}}
- name: {{ .password }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: password}}
{{- end }}

{{/* Kafka: dict root, secret (of SASL; may be empty), certificate (a Secret; may be empty). */}}
{{- define "sbiscope.kafka" -}}
{{- $kafka := .root.Values.kafka }}
- {name: SBISCOPE_SITE_NAME, value: {{ .root.Values.site | quote }}}
- name: SBISCOPE_KAFKA_BOOTSTRAP
  value: {{ required "kafka.bootstrap must be given: host:port of your brokers, separated by commas" $kafka.bootstrap | quote }}
- {name: SBISCOPE_KAFKA_SECURITY_PROTOCOL, value: {{ printf "%s%s" (ternary "SASL_" "" (ne $kafka.sasl.mechanism "")) (ternary "SSL" "PLAINTEXT" $kafka.tls.enabled) }}}
- {name: SBISCOPE_KAFKA_PARTITIONS, value: {{ $kafka.partitions | quote }}}
- {name: SBISCOPE_KAFKA_REPLICATION, value: {{ $kafka.replication | quote }}}
{{- with $kafka.topicPrefix }}
- {name: SBISCOPE_KAFKA_TOPIC_PREFIX, value: {{ . | quote }}}
{{- end }}
{{- with $kafka.registryUrl }}
- {name: SBISCOPE_KAFKA_REGISTRY_URL, value: {{ . | quote }}}
{{- end }}
{{- if $kafka.sasl.mechanism }}
- {name: SBISCOPE_KAFKA_SASL_MECHANISM, value: {{ $kafka.sasl.mechanism }}}
{{- $secret := required "kafka.sasl.secret must be given: a Secret with username and password" (.secret | default $kafka.sasl.secret) }}
{{ include "sbiscope.account" (dict "secret" $secret "user" "SBISCOPE_KAFKA_SASL_USERNAME" "password" "SBISCOPE_KAFKA_SASL_PASSWORD") }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
- {name: SBISCOPE_KAFKA_SSL_CA_LOCATION, value: /etc/sbiscope/kafka/ca.crt}
{{- end }}
{{- if include "sbiscope.certificate" . }}
- {name: SBISCOPE_KAFKA_SSL_CERTIFICATE_LOCATION, value: /etc/sbiscope/certificate/tls.crt}
- {name: SBISCOPE_KAFKA_SSL_KEY_LOCATION, value: /etc/sbiscope/certificate/tls.key}
{{- end }}
{{- end }}

{{/* ClickHouse, for who writes and migrates: dict root, reads (true: the reading account too). */}}
{{- define "sbiscope.clickhouse" -}}
{{- $clickhouse := .root.Values.clickhouse }}
- name: SBISCOPE_CLICKHOUSE_URL
  value: {{ required "clickhouse.url must be given: http://host:8123 or https://host:8443" $clickhouse.url | quote }}
- {name: SBISCOPE_CLICKHOUSE_DATABASE, value: {{ $clickhouse.database | quote }}}
{{- $secret := required "clickhouse.secret must be given: a Secret with username and password" $clickhouse.secret }}
{{- if and .reads $clickhouse.readerSecret }}
{{ include "sbiscope.account" (dict "secret" $clickhouse.readerSecret "user" "SBISCOPE_CLICKHOUSE_READER_USER" "password" "SBISCOPE_CLICKHOUSE_READER_PASSWORD") }}
{{- else }}
{{ include "sbiscope.account" (dict "secret" $secret "user" "SBISCOPE_CLICKHOUSE_USER" "password" "SBISCOPE_CLICKHOUSE_PASSWORD") }}
{{- end }}
{{- with $clickhouse.cluster }}
- {name: SBISCOPE_CLICKHOUSE_CLUSTER, value: {{ . | quote }}}
{{- end }}
{{- if $clickhouse.tls.caSecret }}
- {name: SBISCOPE_CLICKHOUSE_CA_LOCATION, value: /etc/sbiscope/clickhouse/ca.crt}
{{- end }}
{{- end }}

{{/* The Secret whose certificate a part shows to Kafka; empty = none: dict root, certificate (its own; may be empty). */}}
{{- define "sbiscope.certificate" -}}
{{- $tls := .root.Values.kafka.tls }}
{{- $secret := .certificate | default $tls.certSecret }}
{{- if and $secret (not $tls.enabled) }}
{{- fail (printf "kafka.tls: a certificate (%s) is shown only where kafka.tls.enabled" $secret) }}
{{- end }}
{{- $secret }}
{{- end }}
