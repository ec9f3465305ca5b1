"""Training and evaluation of banks; needs the ``train`` extra where torch is used."""
