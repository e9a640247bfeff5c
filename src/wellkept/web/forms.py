"""How forms look: one renderer for all of them."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Renders every form and field with our templates."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"
