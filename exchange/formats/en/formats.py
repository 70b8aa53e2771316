"""Give Django the formats of exchange/formats; whatever is not here is Django's own for English."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s.u"
SHORT_DATETIME_FORMAT = DATETIME_FORMAT
