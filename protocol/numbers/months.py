"""Names of months, folded, in all languages at once: an expiry date may be `September twenty seven`."""

from .lexicon import words

MONTHS = words(
    """
    january february march april may june july august september october november december
    januar februar marz mai juni juli oktober dezember janner
    januari februari maart mei augustus
    janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
    enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
    janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
    """
)

BEFORE_YEAR = words("of de del di van in the do year")
"""Words between the name of a month and its year."""
