"""Operations of the model as one GPU kernel each, with the same computation in torch for other machines."""
