{{/* Names and labels. */}}
{{- define "sbiscope.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains "sbiscope" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-sbiscope" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* What chooses the pods of a part: dict root, component. */}}
{{- define "sbiscope.selector" -}}
app.kubernetes.io/name: sbiscope
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "sbiscope.labels" -}}
{{ include "sbiscope.selector" . }}
app.kubernetes.io/part-of: sbiscope
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* An image: dict root, image (one of .Values.images). */}}
{{- define "sbiscope.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}
{{- else }}{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "sbiscope.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "sbiscope.pseudonymSecret" -}}
{{ include "sbiscope.keySecret" (dict "root" . "keyId" .Values.pseudonym.keyId) }}
{{- end }}

{{/* The Secret with a pseudonym key: dict root, keyId. */}}
{{- define "sbiscope.keySecret" -}}
{{ .root.Values.pseudonym.secret | default (printf "%s-pseudonym-%s" (include "sbiscope.fullname" .root) .keyId) }}
{{- end }}

{{/* The stages that run, a comma between. */}}
{{- define "sbiscope.stages" -}}
{{- $names := list }}
{{- range $name, $stage := .Values.streams.stages }}
{{- if dig "enabled" true $stage }}{{ $names = append $names $name }}{{ end }}
{{- end }}
{{- join "," $names }}
{{- end }}
