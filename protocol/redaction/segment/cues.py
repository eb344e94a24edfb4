"""
Cues: words that say what a number is, in all languages at once, because callers mix them.

Phrases are folded (see `protocol.numbers.tokens.fold`); of two phrases that begin at one word the longer counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ...numbers.tokens import Token


class Topic(StrEnum):
    """What the speakers talk about."""

    CARD = "card"
    """A card number is named: `card number`."""

    CARD_WEAK = "card_weak"
    """A card is named: `card`, `Visa`."""

    CODE = "code"
    EXPIRY = "expiry"
    LAST_FOUR = "last_four"
    """The last digits of a number, which may be shown."""

    IBAN = "iban"
    ACCOUNT = "account"
    SSN = "ssn"
    NATIONAL_ID = "national_id"
    PHONE = "phone"
    BIRTH = "birth"
    OTHER = "other"
    """A number that is no card: `order number`, `post code`."""

    OTHER_WEAK = "other_weak"
    """Something that is no card, but may be paid by card: an order, a booking, a price."""


CARD_TOPICS = frozenset({Topic.CARD, Topic.CARD_WEAK})
CARD_DATA_TOPICS = CARD_TOPICS | {Topic.CODE, Topic.EXPIRY}

_PHRASES: dict[Topic, str] = {
    Topic.CARD: """
        card number, card numbers, number of the card, number of my card, number of your card, long number,
        number on the card, number on your card, number on my card, number on the front, across the front,
        sixteen digit, sixteen digits, 16 digit, 16 digits, card details, card is, credit card, debit card,
        bank card, new card, other card, number is on the card, full card, visa number, kartennummer,
        kreditkartennummer, kreditkarten nummer, karten nummer, nummer der karte, nummer auf der karte,
        nummer der kreditkarte, nummer meiner karte, nummer ihrer karte, kreditkarte, debitkarte, girokarte,
        bankkarte, ec karte, meine karte ist, kartendaten, auf der vorderseite, numero de carte, numero de
        la carte, numero de ma carte, numero de votre carte, carte bancaire, carte bleue, carte de credit,
        numeros de carte, numero de tarjeta, numero de la tarjeta, numero de mi tarjeta, numero de su
        tarjeta, tarjeta de credito, tarjeta de debito, datos de la tarjeta, numero do cartao, numero de
        cartao, numero do meu cartao, cartao de credito, cartao de debito, dados do cartao, numero della
        carta, numero di carta, numero della mia carta, carta di credito, carta di debito, numero della sua
        carta, dati della carta, kaartnummer, creditcardnummer, creditcard, nummer van de kaart, nummer van
        mijn kaart, pasnummer, bankpas, kaart nummer, betaalpas, pinpas""",
    Topic.CARD_WEAK: """
        card, visa, mastercard, master card, amex, american express, maestro, diners, plastic, karte, carte,
        cb, tarjeta, cartao, carta, kaart""",
    Topic.CODE: """
        security code, three numbers, drei zahlen, drei nummern, trois numeros, tre numeri, drie nummers,
        hinten, security number, cvv, cvc, cvv2, cvc2, cv2, csc, c v v, c v c, c v 2, cvv code, cvc
        code, card verification, verification code, three digits, three digit, last three digits, four
        digits on the front, on the back, back of the card, back of your card, pin, pin code, pin number,
        pincode, prufziffer, kartenprufnummer, prufnummer, prufzahl, sicherheitscode, sicherheitsnummer,
        sicherheits code, kartenprufziffer, auf der ruckseite, geheimzahl, drei ziffern, dreistellige, code
        de securite, cryptogramme, cryptogramme visuel, au dos, trois chiffres, code secret, code pin, code
        de verification, codigo de seguridad, codigo de verificacion, al dorso, en el reverso, parte de
        atras, tres digitos, tres numeros, numero secreto, codigo de seguranca, codigo de verificacao, no
        verso, atras do cartao, tres digitos, codigo secreto, codice di sicurezza, codice di verifica, sul
        retro, tre cifre, codice segreto, codice pin, beveiligingscode, veiligheidscode, verificatiecode,
        achterop, op de achterkant, achterkant, drie cijfers, pincode, controlecijfers, codice dietro, codice sul
        retro, numeri dietro, codigo de tras, codigo atras, numeros de tras, codigo de atras, numeros de atras,
        code au dos, code derriere, chiffres derriere, code hinten, code achterop, cijfers achterop,
        number on the back, digits on the back""",
    Topic.EXPIRY: """
        expiry, expiry date, expiration, expiration date, expires, expire, expiring, exp date, exp, valid
        until, valid thru, valid through, valid to, good through, good thru, ablaufdatum, verfallsdatum,
        gultig bis, lauft ab, gultigkeit, gultigkeitsdatum, ablauf, date d'expiration, d'expiration,
        expiration, expire, valable jusqu'au, valable jusqu'en, date de validite, fin de validite, date de
        fin, fecha de vencimiento, fecha de caducidad, vencimiento, caducidad, vence, caduca, expira, valida
        hasta, fecha de expiracion, validade, data de validade, vencimento, valido ate, data de expiracao,
        scadenza, data di scadenza, scade, valida fino, fino al, vervaldatum, verloopdatum, verloopt, geldig
        tot, vervalt, vervaldata""",
    Topic.LAST_FOUR: """
        last four, ending, ends, card ending, endend, terminant, terminata, terminada, last 4, last four
        digits, ending in, ends in, ending with, ends with, letzten vier,
        letzten 4, endet auf, endend auf, endet mit, quatre derniers, derniers chiffres, se termine par,
        finit par, terminant par, ultimos cuatro, ultimos 4, termina en, terminada en, acaba en, ultimos
        quatro, termina em, final, ultime quattro, ultime 4, finisce con, finisce per, termina con, laatste
        vier, laatste 4, eindigt op, eindigend op""",
    Topic.IBAN: "iban, i b a n, i ban, ibon, ibann, international bank account",
    Topic.ACCOUNT: """
        account number, bank account, sort code, routing number, checking account, savings account,
        kontonummer, bankleitzahl, konto, numero de compte, compte bancaire, numero de cuenta, cuenta
        bancaria, numero da conta, conta bancaria, conto corrente, numero di conto, rekeningnummer,
        bankrekening""",
    Topic.SSN: "social security, social security number, ssn, s s n, social, my social",
    Topic.NATIONAL_ID: """
        national insurance, national id, id number, passport, passport number, driving licence, driver's
        license, tax id, tax number, steuernummer, steuer id, sozialversicherungsnummer, ausweisnummer,
        personalausweis, reisepass, krankenversicherungsnummer, securite sociale, numero fiscal, passeport,
        carte d'identite, dni, nif, pasaporte, seguridad social, documento de identidad, cpf, rg,
        contribuinte, passaporte, cartao de cidadao, codice fiscale, carta d'identita, passaporto, tessera
        sanitaria, bsn, burgerservicenummer, paspoort, paspoortnummer, identiteitskaart, sofinummer""",
    Topic.PHONE: """
        phone, phone number, telephone, telephone number, mobile, mobile number, cell, cell phone,
        cellphone, call me, call back, call you, callback, call us, reach me, reach you, text me, fax,
        hotline, dial, landline, whatsapp, telefon, telefonnummer, handy, handynummer, mobilnummer, ruckruf,
        ruckrufnummer, ruckrufen, zuruckrufen, anrufen, erreichen, erreichbar, vorwahl, durchwahl, nummer
        erreichen, festnetz, telephone, numero de telephone, portable, numero de portable, rappeler,
        rappelez, joindre, joignable, fixe, appeler, appelez, telefono, numero de telefono, movil, celular,
        llamar, llamame, llameme, contactar, localizar, telefone, telemovel, ligar, ligue, contacto,
        contato, numero di telefono, cellulare, chiamare, richiamare, chiamatemi, recapito, telefoonnummer,
        telefoon, mobiel, mobiele nummer, bellen, terugbellen, bereikbaar, bereiken""",
    Topic.BIRTH: """
        date of birth, birthday, born, born on, birth date, dob, geboren, geburtsdatum, geburtstag, ne le,
        nee le, date de naissance, naissance, nacimiento, fecha de nacimiento, naci, nascimento, data de
        nascimento, nasci, data di nascita, nato il, nata il, nato, nata, geboortedatum, geboorte""",
    Topic.OTHER: """
        order, order number, orders, order id, invoice, invoice number, reference, reference number, ref,
        case, case number, ticket, ticket number, booking, booking number, reservation, confirmation,
        confirmation number, confirmation code, tracking, tracking number, parcel, shipment, serial, serial
        number, imei, model, model number, part number, sku, article, item, item number, barcode, customer
        number, customer id, client number, member number, membership, membership number, membership card,
        loyalty card, gift card, sim card, id card, report card, business card, library card, policy number,
        policy, contract, contract number, claim, claim number, meter, reading, meter reading, extension,
        ext, zip, zip code, postcode, postal code, street, avenue, road, house, apartment, room, floor,
        flight, gate, platform, bus, price, cost, costs, total, amount, charged, charge, paid, pay, balance,
        transfer, dollars, dollar, euros, euro, pounds, pence, cents, percent, year, years, quantity,
        pieces, units, boxes, voucher, voucher number, coupon, version, licence plate, license plate,
        people, visitors, population, kilometers, kilometres, miles, page, chapter, account id, station,
        limit, points, installments, bestellung, bestellnummer, auftrag, auftragsnummer, rechnung,
        rechnungsnummer, referenz, referenznummer, aktenzeichen, vorgangsnummer, vorgang, fall, buchung,
        buchungsnummer, sendung, sendungsnummer, paket, seriennummer, artikelnummer, artikel, modell,
        kundennummer, mitgliedsnummer, kundenkarte, geschenkkarte, sim karte, vertrag, vertragsnummer,
        vertragskonto, police, schaden, schadennummer, zahler, zahlerstand, zahlernummer, postleitzahl, plz,
        strasse, hausnummer, zimmer, stock, flug, preis, kostet, kosten, betrag, summe, prozent, jahr,
        stuck, menge, gutschein, ticketnummer, version, kilometer, nebenstelle, apparat, commande, numero de
        commande, facture, numero de facture, reference, dossier, numero de dossier, reservation, numero de
        reservation, colis, suivi, numero de suivi, numero de serie, numero client, client, carte de
        fidelite, carte cadeau, carte sim, contrat, numero de contrat, sinistre, compteur, poste, code
        postal, rue, avenue, chambre, etage, vol, prix, coute, montant, total, pour cent, pourcent, annee,
        l'annee, en l'an, pieces, quantite, bon, kilometres, article, pedido, numero de pedido, factura,
        numero de factura, referencia, expediente, reserva, numero de reserva, envio, seguimiento, numero de
        serie, numero de cliente, cliente, tarjeta de fidelidad, tarjeta regalo, tarjeta sim, contrato,
        siniestro, contador, lectura, codigo postal, calle, avenida, habitacion, piso, vuelo, precio,
        cuesta, importe, total, por ciento, ano, anos, piezas, unidades, cantidad, cupon, kilometros,
        articulo, incidencia, numero do pedido, fatura, numero da fatura, processo, protocolo, numero do
        processo, encomenda, rastreio, rastreamento, numero de serie, cliente, cartao de fidelidade, cartao
        presente, contrato, sinistro, leitura, cep, rua, quarto, andar, voo, preco, custa, valor, por cento,
        pecas, quantidade, ramal, extensao, quilometros, artigo, codigo postal, ordine, numero d'ordine,
        numero ordine, numero dell'ordine, fattura, numero fattura, pratica, numero di pratica, riferimento,
        prenotazione, numero di prenotazione, pacco, spedizione, tracciamento, numero di serie, seriale,
        codice cliente, numero cliente, carta fedelta, carta regalo, contratto, polizza, contatore, lettura,
        interno, cap, via, viale, camera, piano, volo, prezzo, costa, importo, totale, percento, per cento,
        anno, anni, pezzi, quantita, buono, chilometri, articolo, bestelling, bestelnummer, ordernummer,
        factuur, factuurnummer, referentie, referentienummer, kenmerk, dossier, dossiernummer, reservering,
        reserveringsnummer, boeking, pakket, zending, serienummer, artikelnummer, klantnummer, klantenkaart,
        cadeaukaart, simkaart, contract, contractnummer, polis, polisnummer, schade, meter, meterstand,
        toestel, doorkiesnummer, huisnummer, straat, kamer, verdieping, vlucht, prijs, kost, bedrag, totaal,
        procent, jaar, stuks, hoeveelheid, bon, trackingnummer""",
}


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase in a segment. `first` and `last`: indices of its tokens, both included."""

    topic: Topic
    first: int
    last: int


def _table() -> Mapping[str, tuple[tuple[tuple[str, ...], Topic], ...]]:
    """The phrases by their first word, the longest first."""
    table: dict[str, dict[tuple[str, ...], Topic]] = {}
    for topic, text in _PHRASES.items():
        for phrase in text.split(","):
            words = tuple(phrase.split())
            table.setdefault(words[0], {}).setdefault(words, _strength(topic, words))
    return {
        word: tuple(sorted(phrases.items(), key=lambda one: -len(one[0])))
        for word, phrases in table.items()
    }


_NAMES_A_NUMBER = (
    "number", "nummer", "numero", "referen", "code", "plz", "cep", "extension", "durchwahl", "aktenzeichen",
    "kenmerk", "tracking", "serial", "imei", "ticket", "id", "leitzahl", "seguimiento", "tracciamento", "rastre",
    "suivi", "expediente", "dossier", "pratica", "protocol", "processo", "compteur", "zahler", "interno", "ramal",
)  # fmt: skip
"""Parts of phrases that ask for a number of their own kind."""


def _strength(topic: Topic, phrase: tuple[str, ...]) -> Topic:
    """`OTHER_WEAK` for a phrase that names a thing, but not its number."""
    if topic is not Topic.OTHER:
        return topic
    is_named = any(part in word for word in phrase for part in _NAMES_A_NUMBER)
    return Topic.OTHER if is_named else Topic.OTHER_WEAK


_TABLE = _table()


def cues(tokens: Sequence[Token]) -> list[Cue]:
    """The cues in `tokens`, in order."""
    found, at = list[Cue](), 0
    while at < len(tokens):
        if cue := _at(tokens, at):
            found.append(cue)
            at = cue.last
        at += 1
    return found


def _at(tokens: Sequence[Token], at: int) -> Cue | None:
    for phrase, topic in _TABLE.get(tokens[at].text, ()):
        texts = tuple(token.text for token in tokens[at : at + len(phrase)])
        if texts == phrase:
            return Cue(topic, at, at + len(phrase) - 1)
    return None
